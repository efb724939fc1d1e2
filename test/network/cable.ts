import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Carries bytes both ways, until it is told to stand still, or to swallow all: a cable that was cut tells nobody. */
export async function cable(to: () => number, delayMs = 0) {
  const ends = new Set<Socket>()
  let state: 'open' | 'paused' | 'cut' = 'open'
  let accepted = 0
  let isTaken = false
  const server = createServer((near) => {
    accepted++
    if (isTaken) {
      near.destroy()
      return
    }
    const far = connect(to(), '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near]
    ] as const) {
      ends.add(one)
      one.on('error', () => {})
      one.on('data', (data) => {
        const carry = () => state !== 'cut' && !other.destroyed && other.write(data)
        delayMs === 0 ? carry() : setTimeout(carry, delayMs)
      })
      one.on('close', () => {
        ends.delete(one)
        if (state === 'open') {
          other.destroy()
        }
      })
      if (state === 'paused') {
        one.pause()
      }
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    /** Whoever connects meanwhile is accepted, as a machine does whose program is busy. */
    pause() {
      state = 'paused'
      for (const end of ends) {
        end.pause()
      }
    },
    resume() {
      state = 'open'
      for (const end of ends) {
        end.resume()
      }
    },
    cut() {
      state = 'cut'
      server.close()
    },
    /** The other end is gone, and somebody else has its port, who closes at once. */
    take() {
      state = 'cut'
      isTaken = true
    },
    /** Those that are here carry nothing any more; new ones do. */
    lose() {
      for (const end of ends) {
        end.removeAllListeners('data').removeAllListeners('close').resume()
      }
    },
    stop() {
      server.close()
      for (const end of ends) {
        end.destroy()
      }
    }
  }
}
