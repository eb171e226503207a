/** The receipt of an erasure: what went, for whoever asked for it, to be printed or kept as a file. */
import { useEffect, useId, useRef } from "preact/hooks"
import { BEYOND_ERASURE, type Receipt } from "../../domain/answers.ts"
import { isNumber, isText, listOf } from "../model/decode.ts"
import { useWording } from "../panels/parts.tsx"

type Beyond = Receipt["not_reached"][number]

/** What is read of every receipt. */
export const isOfReceipt = {
  id: isText,
  erased_at: isText,
  by: isText,
  events: isNumber,
  dead_letters: isNumber,
  not_reached: listOf((value): value is Beyond => BEYOND_ERASURE.some((each) => each === value)),
}

export interface ReceiptViewProps<A extends Receipt> {
  readonly title: string
  readonly receipt: A
  /** What it is about, and what went, by their names. */
  readonly lines: ReadonlyArray<readonly [name: string, value: string]>
  readonly onClose: () => void
}

/** Whether somebody is typing, or about to. */
const isTyping = (): boolean => document.activeElement?.matches("input, select, textarea") === true

/** A receipt, once. It has the focus, so that nobody misses it, but for who is typing meanwhile. */
export const ReceiptView = <A extends Receipt>({ title, receipt, lines, onClose }: ReceiptViewProps<A>) => {
  const { t, dateOf, clock, number } = useWording()
  const texts = t.settings.receipt
  const heading = useId()
  const box = useRef<HTMLElement>(null)
  useEffect(() => {
    if (!isTyping()) box.current?.focus()
    box.current?.scrollIntoView({ block: "nearest" })
  }, [])
  const { id, erased_at, by, dead_letters, not_reached } = receipt
  const all: ReceiptViewProps<A>["lines"] = [
    ...lines,
    [texts.deadLetters, number(dead_letters)],
    [texts.at, `${dateOf(erased_at)} ${clock(erased_at)}`],
    [texts.by, by],
    [texts.id, id],
  ]
  const file = `data:application/json;charset=utf-8,${encodeURIComponent(`${JSON.stringify(receipt, null, 2)}\n`)}`
  return (
    <section class="panel told receipt" data-receipt={id} ref={box} tabIndex={-1} aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        <p class="hint">{texts.hint}</p>
      </header>
      <dl>
        {all.map(([name, value]) => (
          <div key={`${name} ${value}`}>
            <dt>{name}</dt>
            <dd translate={false}>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">{texts.notReached(not_reached.map((each) => texts.beyond[each]).join(", "))}</p>
      <div class="does">
        <button type="button" class="pill" onClick={() => window.print()}>
          {texts.print}
        </button>
        <a class="pill" href={file} download={`receipt-${id}.json`}>
          {texts.download}
        </a>
        <button type="button" class="pill" onClick={onClose}>
          {t.settings.done}
        </button>
      </div>
    </section>
  )
}
