import type { PeerStore } from '@libp2p/interface'

/** Peers read or written in one turn of the event loop: some three milliseconds. */
export const OPERATIONS_PER_TURN = 32

/**
 * A peer store that lets the event loop go on after so many operations. kad-dht reads up to forty peers for each message that
 * comes, and does all the messages of a piece of stream in one turn, as nothing that it waits for takes a turn of its own.
 *
 * @param later runs something in the loop's next turn
 */
export function byTurns(store: PeerStore, later: (run: () => void) => void = setImmediate): PeerStore {
  let left = OPERATIONS_PER_TURN
  let next: Promise<void> | undefined

  const nextTurn = (): Promise<void> => {
    next ??= new Promise((resolve) => {
      later(() => {
        left = OPERATIONS_PER_TURN
        next = undefined
        resolve()
      })
    })
    return next
  }

  const turn = async () => {
    void nextTurn()
    while (left <= 0) {
      await nextTurn()
    }
    left--
  }

  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      return typeof value !== 'function'
        ? value
        : async (...args: unknown[]) => {
            await turn()
            return value.apply(target, args)
          }
    }
  })
}
