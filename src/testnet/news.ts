/** What a testnet tells: events for machines, and lines for who looks on. */
export interface News {
  /** Lines in the order in which they were told. */
  messages: string[]
  /** An event, and with `text` a line, too. */
  tell(event: string, detail?: Record<string, unknown>, text?: string): void
  /** A line without an event. */
  say(text: string): void
  /** An event that somebody else made. */
  pass(event: Record<string, unknown>): void
}

export interface NewsInit {
  onEvent: (event: Record<string, unknown>) => void
  /** The slot in which an event is told. */
  slot: () => number
}

export function createNews({ onEvent, slot }: NewsInit): News {
  const messages: string[] = []
  return {
    messages,
    tell(event, detail = {}, text) {
      onEvent({ event, slot: slot(), cycle: null, node: null, ...detail })
      if (text != null) {
        messages.push(text)
      }
    },
    say: (text) => void messages.push(text),
    pass: onEvent
  }
}
