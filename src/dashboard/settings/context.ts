/** What the tabs of the settings share: whose they are, and which site they are about. */
import { createContext } from "preact"
import { useContext, useEffect, useRef } from "preact/hooks"
import type { Access } from "../model/decode.ts"
import type { Erasing } from "./erasing.ts"

export interface Frame {
  /** What the reader may do. */
  readonly access: Access
  /** The chosen site; `null` for the default one. */
  readonly site: string | null
  /** All that the reader may see, the default one first. */
  readonly sites: ReadonlyArray<string>
  /** Has the pages read again which there are. */
  readonly sitesChanged: () => void
  readonly erasing: Erasing
}

export const FrameContext = createContext<Frame | null>(null)

export const useFrame = (): Frame => {
  const frame = useContext(FrameContext)
  if (frame === null) throw new Error("not on the settings page")
  return frame
}

/** Hears of whatever is erased while it is on the page. */
export const useErased = (hear: () => void): void => {
  const { receipt } = useFrame().erasing
  const heard = useRef(receipt)
  useEffect(() => {
    if (receipt !== null && receipt !== heard.current) hear()
    heard.current = receipt
  }, [receipt])
}
