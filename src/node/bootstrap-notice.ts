import type { DiscoveryEvent, Log } from '../network/index.ts'

export interface BootstrapNotice {
  on(event: DiscoveryEvent): void
  /** What the operator should know of the bootstrap addresses that he gave; undefined while each answers. */
  notice(): string | undefined
}

/** One that starts at the same time may still be on its way. */
const TRIES = 2

/** A bootstrap address is the operator's own word: where nobody answers is told, once, until somebody does. */
export function createBootstrapNotice({ log }: { log: Pick<Log, 'warn'> }): BootstrapNotice {
  /** By PeerId, or by address where none was given. */
  const silent = new Map<string, { tries: number; text: string }>()
  return {
    on(event) {
      if (event.type === 'connected' || event.type === 'unstaked') {
        silent.delete(event.peer)
      }
      if (event.type === 'failed' && event.source === 'bootstrap') {
        const { peer, reason } = event
        const tries = (silent.get(peer)?.tries ?? 0) + 1
        const text = `nobody answers as the bootstrap peer ${peer} (${reason}). It is tried again; see whether it runs, and whether koii-mesh status there prints the address that was given here`
        silent.set(peer, { tries, text })
        if (tries === TRIES) {
          log.warn({ peer }, text)
        }
      }
    },
    notice: () => [...silent.values()].find(({ tries }) => tries >= TRIES)?.text
  }
}
