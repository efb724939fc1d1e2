import { type AddressInfo, createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { createHost, createRoster, type Libp2pConfigInit } from '../../src/network/index.ts'

/** A service of one's own machine that nobody should knock at, and a node that is told where it is. */
export async function houseWithService(init: (port: number) => Partial<Libp2pConfigInit> = () => ({})) {
  let knocks = 0
  let heard = 0
  let said = ''
  const server = createServer((socket) => {
    knocks++
    socket.on('data', (data) => {
      heard++
      said ||= data.toString('latin1')
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { libp2p } = await createHost({ privateKey: await generateKeyPair('Ed25519'), peers: createRoster(), listen: [], ...init(port) })
  const inside = libp2p as unknown as {
    components: { transportManager: { dial(address: unknown, options: { signal: AbortSignal }): Promise<unknown> } }
  }
  return {
    port,
    knocks: () => knocks,
    said: () => said,
    /** Dials as anybody in the node may, and as the last part of it does; tells how often the service was knocked at. */
    async tell(text: string): Promise<{ knocks: number; reasons: string[] }> {
      const before = knocks
      const address = multiaddr(text)
      const reasons: string[] = []
      for (const dial of [
        (signal: AbortSignal) => libp2p.dial(address, { signal }),
        (signal: AbortSignal) => inside.components.transportManager.dial(address, { signal })
      ]) {
        const heardBefore = heard
        // what is knocked at says nothing, so that no dial ends by itself
        const controller = new AbortController()
        const dialled = dial(controller.signal).then(
          () => 'connected',
          (err: Error) => err.message
        )
        while (heard === heardBefore && (await Promise.race([dialled, soon()])) === undefined) {
          // neither spoken to nor refused yet
        }
        controller.abort()
        reasons.push(await dialled)
      }
      return { knocks: knocks - before, reasons }
    },
    async stop() {
      await libp2p.stop()
      server.close()
    }
  }
}

function soon(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, 10, undefined))
}
