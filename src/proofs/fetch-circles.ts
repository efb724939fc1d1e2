/**
 * Who is asked when nobody who is known may have a block: one circle after the other.
 *
 *   hinted providers ─▶ connected peers ─▶ DHT ─▶ pause, and all of them again (or the end, for who asks once)
 */
import type { CID } from 'multiformats/cid'
import type { FetchComponents, Providers } from './fetch-providers.ts'
import { LIMITS } from './limits.ts'
import { checkHint } from './providers.ts'

export interface CirclesInit {
  components: Pick<FetchComponents, 'libp2p' | 'log'>
  root: CID
  signal: AbortSignal
  providers: Providers
  /** Counts of look-ups. */
  stats: { dhtQueries: number }
  /** Somebody new may be asked, now or in the next turn. */
  onFound: () => void
  onWider: () => void
  /** The pause is over. @returns whether whoever refused may be asked again */
  onAgain: () => boolean
}

export class Circles {
  readonly #init: CirclesInit
  #stage: 'hinted' | 'connected' | 'dht' | 'pause' = 'hinted'
  #stageEndsMs = 0
  #lookingUp = false
  #nextLookUpMs = 0

  constructor(init: CirclesInit) {
    this.#init = init
  }

  /** Some block is wanted that no present provider may have: the next circle is asked. */
  widen(nowMs: number): void {
    const { components, providers, onWider, onAgain } = this.#init
    switch (this.#stage) {
      case 'hinted': {
        this.#stage = 'connected'
        for (const peerId of components.libp2p.getPeers().slice(0, LIMITS.providers)) {
          providers.add(peerId, [])
        }
        onWider()
        return
      }
      case 'connected':
        this.#stage = 'dht'
        if (nowMs >= this.#nextLookUpMs) {
          this.#nextLookUpMs = nowMs + LIMITS.reaskMs
          void this.#lookUp()
        } else {
          onWider()
        }
        return
      case 'dht':
        if (!this.#lookingUp) {
          this.#stage = 'pause'
          this.#stageEndsMs = nowMs + LIMITS.retryMs
        }
        return
      case 'pause':
        if (nowMs >= this.#stageEndsMs && onAgain()) {
          this.#stage = 'hinted'
          providers.forgive()
          onWider()
        }
        return
    }
  }

  async #lookUp(): Promise<void> {
    const { components, root, signal, providers, stats, onFound } = this.#init
    this.#lookingUp = true
    stats.dhtQueries++
    let found = 0
    try {
      for await (const { id, multiaddrs } of components.libp2p.contentRouting.findProviders(root, { signal })) {
        const hint = checkHint({ peerId: id.toString(), multiaddrs: multiaddrs.map((address) => address.toString()) })
        if (hint != null) {
          providers.add(hint.peerId, hint.multiaddrs, true)
          onFound()
        }
        if (++found >= LIMITS.providers) {
          break
        }
      }
    } catch (err) {
      if (!signal.aborted) {
        components.log('no providers of %s from the DHT - %s', root, (err as Error).message)
      }
    } finally {
      this.#lookingUp = false
      onFound()
    }
  }
}
