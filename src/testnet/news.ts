import type { NodeEvent } from '../observe/index.ts'
import type { TestnetDetails, TestnetEvent } from './events.ts'

/** What a testnet tells: events for machines, and lines for who looks on. */
export interface News {
  /** Lines in the order in which they were told. */
  messages: string[]
  /** An event, and with `text` a line, too. */
  tell<Name extends keyof TestnetDetails>(event: Name, detail: TestnetDetails[Name], text?: string): void
  /** A line without an event. */
  say(text: string): void
  /** An event of a node, with its name. */
  pass(event: NodeEvent & { name: string }): void
}

export interface NewsInit {
  onEvent: (event: TestnetEvent) => void
  /** The slot in which an event is told. */
  slot: () => number
}

export function createNews({ onEvent, slot }: NewsInit): News {
  const messages: string[] = []
  return {
    messages,
    tell(event, detail, text) {
      // one name with its own detail, which the union cannot say of a name that is not known here
      onEvent({ event, slot: slot(), cycle: null, node: null, task: null, ...detail } as TestnetEvent)
      if (text != null) {
        messages.push(text)
      }
    },
    say: (text) => void messages.push(text),
    pass: onEvent
  }
}
