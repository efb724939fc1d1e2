import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { judgeAddress } from './addresses.ts'
import { HostError } from './errors.ts'
import { type HostServices, type Libp2pConfig, type Libp2pConfigInit, libp2pConfig } from './libp2p-config.ts'
import type { ConnectionSlots } from './slots.ts'
import { forgetStrangers } from './strangers.ts'

export interface Host extends Omit<Libp2pConfig, 'options'> {
  /** Built once, and lent to Helia, hello, discovery, gossip and sync alike. */
  libp2p: Libp2p<HostServices>
}

/**
 * Builds and starts the node's libp2p.
 *
 * @throws HostError when it cannot listen, or announces what nobody dials
 */
export async function createHost(init: Libp2pConfigInit): Promise<Host> {
  const useless = (init.announce ?? []).find((text) => init.local !== true && judgeAddress(multiaddr(text), { local: false }) === 'private')
  if (useless != null) {
    throw new HostError(
      `${useless} in --announce is a private address, and nodes dial none without --allow-private: announce the public one, at which your router forwards the port`
    )
  }
  const { options, ...rest } = libp2pConfig(init)
  try {
    const libp2p = await createLibp2p(options)
    forgetStrangers({
      libp2p,
      store: rest.store,
      isKept: (peer) => init.peers.isStaked(peer) || init.peers.isClaimed(peer),
      ...(init.timer == null ? {} : { timer: init.timer })
    })
    watchSlots(libp2p, rest.slots)
    return { libp2p, ...rest }
  } catch (err) {
    throw explainStart(err, init.listen)
  }
}

/** Every connection has its slot, whatever is said over it. */
function watchSlots(libp2p: Libp2p, slots: ConnectionSlots): void {
  libp2p.addEventListener('connection:open', ({ detail }) => slots.opened(detail))
  libp2p.addEventListener('connection:close', ({ detail }) => slots.closed(detail))
  // some may have come while libp2p was starting
  libp2p.getConnections().forEach(slots.opened)
}

/** What to tell an operator about a libp2p that did not start; also for when somebody else started it with our options. */
export function explainStart(err: unknown, listen: string[]): Error {
  const text = messagesOf(err).join('; ')
  const where = listen.join(', ')
  if (/EADDRINUSE/.test(text)) {
    return new HostError(
      `cannot listen on ${where}: the port is in use. Stop what uses it, or choose another with --listen (port 0 takes a free one)`
    )
  }
  if (/EACCES/.test(text)) {
    return new HostError(`cannot listen on ${where}: not allowed. Choose a port above 1023 with --listen`)
  }
  if (/EADDRNOTAVAIL/.test(text)) {
    return new HostError(`cannot listen on ${where}: this machine has no such address. Choose another with --listen`)
  }
  return err instanceof Error ? err : new Error(String(err))
}

function messagesOf(err: unknown): string[] {
  if (err instanceof AggregateError) {
    return [err.message, ...err.errors.flatMap(messagesOf)]
  }
  if (err instanceof Error) {
    return [err.message, ...(err.cause == null ? [] : messagesOf(err.cause))]
  }
  return [String(err)]
}
