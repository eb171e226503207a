/** What somebody is typing. */
import { useEffect, useState } from "preact/hooks"

/** Milliseconds after the last letter, before it is asked for. */
const TYPED_MS = 250

/** A text as it is when nothing has been typed for a moment. */
export const useTyped = (text: string): string => {
  const [typed, setTyped] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setTyped(text), TYPED_MS)
    return () => clearTimeout(timer)
  }, [text])
  return typed
}
