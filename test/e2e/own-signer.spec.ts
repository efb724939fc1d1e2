/** `koii-mesh start --signer`: the node has no staking key, and goes on when its signer or itself is killed. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { killed, type Place, startSigner, upSigner } from '../signer/signer-process.ts'
import { type Cli, type Event, run } from './cli.ts'
import { type LoneNode, loneNode, named } from './lone-node.ts'

describe('a node whose key is in a signer', function () {
  this.timeout(180_000)
  let lone: LoneNode
  let place: Place
  const signers: Cli[] = []
  const upWith = () => lone.up(['--signer', place.socket])
  const signerUp = async () => {
    const signer = await upSigner(place)
    signers.push(signer)
    return signer
  }
  before(async () => {
    lone = await loneNode()
    place = { dir: lone.dir, key: lone.key, data: join(lone.dir, 'signer'), socket: join(lone.dir, 'private', 'socket') }
  })
  after(async function () {
    await Promise.all(signers.map((signer) => signer.clean()))
    await lone.close(this.test?.parent?.tests.some(({ state }) => state === 'failed') ?? false)
  })
  const ask = async (events: Event[], path: string) => {
    const response = await fetch(`${named(events, 'listening')[0].api}${path}`)
    return { status: response.status, body: (await response.json()) as Event }
  }

  it('signs at once with a stake that is new, tells when the signer goes and comes, and listens for nothing when it is killed itself', async () => {
    const signer = await signerUp()
    const { node, events } = await upWith()
    expect(existsSync(join(lone.data, 'staking-key.json'))).to.equal(false)
    expect(named(events, 'silent')).to.deep.equal([])
    // the announcement of its start is signed there
    await signer.event('signing', ({ event, state }) => event === 'standing' && state === 'signs')
    expect((await ask(events, '/status')).body).to.include({ node: lone.chain.stakers[0]!.address, signer: place.socket })

    await killed(signer)
    const away = await node.event('away', ({ event }) => event === 'signer-away')
    expect(away.reason).to.include(`the signer at ${place.socket} does not answer`)
    expect((await ask(events, '/status')).body.notices.join()).to.include(`--socket ${place.socket}`)
    expect((await ask(events, '/healthz')).status).to.equal(503)
    await signerUp()
    await node.event('back', ({ event }) => event === 'signer-back')
    expect((await ask(events, '/status')).body.notices.join()).not.to.include('the signer at')

    lone.chain.toRound(3, 5)
    await killed(node)
    const again = await upWith()
    expect(named(again.events, 'silent')).to.deep.equal([])
    expect((await ask(again.events, '/status')).body.signing).to.include({ state: 'signs' })
    await lone.stop(again.node)
  })

  it('rests on what the signer has kept: a node’s data directory that is lost is nothing to listen for', async () => {
    rmSync(lone.data, { recursive: true })
    const { node, events } = await upWith()
    expect(named(events, 'silent')).to.deep.equal([])
    await lone.stop(node)
  })

  it('listens for three rounds when the signer’s data directory is a new one, at its start and while it runs', async () => {
    const { node } = await upWith()
    const signer = signers.at(-1)!
    await killed(signer)
    renameSync(place.data, `${place.data}-gone`)
    await signerUp()
    const silent = await node.event('silent', ({ event }) => event === 'silent')
    expect(silent.reason).to.match(/the log of the signer lacks|data directory of the signer is another one/)
    await killed(node)
    rmSync(lone.data, { recursive: true })
    const fresh = await upWith()
    expect(named(fresh.events, 'silent')[0].reason).to.match(/log of what was signed is empty|lost/)
    await lone.stop(fresh.node)
  })

  it('remembers with the signer’s log that it listens, and until when: another log is another matter', async () => {
    // it has listened to the end by its own memory, and not of what this log may lack
    const { chain } = lone
    const { node, events } = await upWith()
    const [silent] = named(events, 'silent')
    await lone.stop(node)
    chain.k2.warpTo(silent.until + 1)
    const signer = signers.at(-1)!
    await killed(signer)
    rmSync(place.data, { recursive: true })
    await signerUp()
    const again = await upWith()
    expect(named(again.events, 'silent')).to.have.length(1)
    expect(named(again.events, 'silent')[0].until).to.be.greaterThan(silent.until)
    await lone.stop(again.node)
  })

  it('with the key in its own process listens again: only the signer’s log knows what it said', async () => {
    await killed(signers.at(-1)!)
    const { node, events } = await lone.up()
    expect(named(events, 'silent')).to.have.length(1)
    await lone.stop(node)
  })

  it('is refused with a key, and a stake, of its own, and says what to start where there is no signer', async () => {
    const base = ['start', '--k2', lone.chain.k2.url, '--task', lone.chain.task, '--data-dir', lone.data, '--signer', place.socket]
    const both = await run([...base, '--key', lone.key])
    expect(both.code).to.equal(2)
    expect(both.stderr).to.match(/--signer and --key are both given/)
    const named = await run(base, { env: { KOII_MESH_KEY: lone.key } })
    expect(named.stderr).to.match(/--signer and KOII_MESH_KEY are both given/)
    const stake = await run([...base, '--stake', '1'])
    expect(stake.code).to.equal(2)
    expect(stake.stderr).to.match(/--stake needs the staking key/)
    const none = await run(base)
    expect(none.code).to.equal(1)
    expect(none.stderr).to.match(
      /^koii-mesh: the signer at .* does not answer as it should \(nobody listens there\).* start it: koii-mesh signer --key/
    )
    expect(readdirSync(lone.data)).not.to.include('staking-key.json')
    const own = startSigner({ ...place, data: lone.data })
    signers.push(own)
    await own.event('listening', ({ event }) => event === 'listening')
  })
})
