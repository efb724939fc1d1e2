import type { DiscoveryEvent, Log } from '../network/index.ts'

export interface BootstrapNotice {
  on(event: DiscoveryEvent): void
  /** What the operator should know of the bootstrap addresses that he gave; undefined while each answers. */
  notice(): string | undefined
}

/** A bootstrap address is the operator's own word: where nobody answers is told, once, until somebody does. */
export function createBootstrapNotice({ log }: { log: Pick<Log, 'warn'> }): BootstrapNotice {
  /** By PeerId, or by address where none was given: what is said of it. */
  const silent = new Map<string, string>()
  return {
    on(event) {
      if (event.type === 'connected' || event.type === 'unstaked') {
        silent.delete(event.peer)
      }
      if (event.type === 'failed' && event.source === 'bootstrap') {
        const { peer, reason } = event
        const text = `nobody answers as the bootstrap peer ${peer} (${reason}). It is tried again while peers are wanted; see whether it runs, and whether koii-mesh status there prints the address that was given here`
        if (!silent.has(peer)) {
          log.warn({ peer }, text)
        }
        silent.set(peer, text)
      }
    },
    notice: () => silent.values().next().value
  }
}
