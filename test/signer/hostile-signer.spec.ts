/** What a node does with a process at the signer's socket that is none, and a signer with what is at the place of its socket. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { signEd25519 } from '../../src/identity/index.ts'
import { PROGRAM_ID } from '../../src/k2/settlement/index.ts'
import { SignerAwayError, serveSigner } from '../../src/signer/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { Body, signedBytes } from '../../src/wire/index.ts'
import { tempDir } from '../e2e/cli.ts'
import { alice, NETWORK, submission } from '../wire/people.ts'
import { killed, maySign, type NodeSide, nodeSide, placeFor, upSigner } from './signer-process.ts'

const one = signedBytes(NETWORK, Body.encode(submission('one')))

describe('a signer’s socket', () => {
  let dir: string
  let remove: () => Promise<void>
  let folder: string
  let socket: string
  beforeEach(async () => {
    ;({ dir, remove } = await tempDir())
    folder = join(dir, 'private')
    socket = join(folder, 'socket')
    mkdirSync(folder, { mode: 0o700 })
  })
  afterEach(() => remove())

  describe('with a process behind it that is no signer', () => {
    const servers: Array<Server | NetServer> = []
    const sockets = new Set<Socket>()
    const listen = async (server: Server | NetServer) => {
      rmSync(socket, { force: true })
      server.on('connection', (one: Socket) => {
        sockets.add(one)
        one.on('error', () => {})
      })
      await new Promise<void>((resolve) => server.listen(socket, resolve))
      servers.push(server)
    }
    const close = async () => {
      for (const one of sockets) {
        one.destroy()
      }
      sockets.clear()
      await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
    }
    afterEach(close)

    const SESSION = {
      publicKey: Buffer.from(alice.publicKey).toString('base64'),
      program: PROGRAM_ID,
      maxFeeRoe: '50000',
      origin: 'kept',
      logId: '0'.repeat(32)
    }
    const json =
      (status: number, value: unknown): RequestListener =>
      (request, response) => {
        request.resume()
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      }
    const endless: RequestListener = (_request, response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, ' '))) {
          // until it is full
        }
      }
      response.on('drain', more)
      more()
    }
    const cases: Array<[what: string, answer: RequestListener, says: RegExp]> = [
      ['answers with something else', json(200, { hello: 'world' }), /answers session as no signer does/],
      ['answers with more than was asked for', json(200, { ...SESSION, more: 1 }), /answers session as no signer does/],
      ['answers with a key that is none', json(200, { ...SESSION, publicKey: 'AAAA' }), /should be 32 bytes/],
      ['answers with no JSON', (_request, response) => void response.end('<html>'), /as no signer does/],
      ['answers with an error of its own', json(500, { oops: 1 }), /with status 500, and is no signer/],
      ['refuses as nobody does', json(404, { error: 'NotFound', message: 'x' }), /with status 404: x/],
      ['answers without end', endless, /more than 1048576 bytes/],
      ['answers with a byte now and then', (_request, response) => void response.writeHead(200).write('{'), /no answer within 0.3 s/],
      ['says nothing', () => {}, /no answer within 0.3 s/],
      ['breaks off', (request) => request.socket.destroy(), /broke the connection off|hang up/],
      ['signs for another program', json(200, { ...SESSION, program: alice.address }), /give both the same --program/]
    ]
    for (const [what, answer, says] of cases) {
      it(`that ${what}, it does not start with, and says why`, async () => {
        await listen(createHttp(answer))
        const err = await nodeSide({ dir, socket }, { answerMs: 300, patienceMs: 200 }).catch((err: Error) => err)
        expect(err).to.be.instanceOf(SignerAwayError)
        expect((err as Error).message).to.match(says)
      })
    }

    it('that speaks no HTTP, it does not start with', async () => {
      await listen(
        createServer((one) => {
          one.on('data', () => one.write(Buffer.alloc(100_000, 'x')))
        })
      )
      const err = await nodeSide({ dir, socket }, { answerMs: 300, patienceMs: 200 }).catch((err: Error) => err)
      expect(err).to.be.instanceOf(SignerAwayError)
    })

    it('that lists a log without end, or the same page for ever, it does not start with', async () => {
      let at = 0
      const hash = '00'.repeat(32)
      for (const next of [() => at++, () => 7]) {
        at = 0
        await listen(
          createHttp((request, response) => {
            const entries = Array.from({ length: 500 }, () => ({ cycle: next(), key: 'vote', hash, bytes: null }))
            const answer = request.url === '/v2/log' ? { entries, more: true } : request.url === '/v2/session' ? SESSION : {}
            json(200, answer)(request, response)
          })
        )
        const side = await nodeSide({ dir, socket }, { name: `n${at}`, mostEntries: 2_000, patienceMs: 200 }).catch((err: Error) => err)
        if (side instanceof Error) {
          expect(side.message).to.match(/more than 2000 entries/)
        } else {
          await side.close()
        }
        await close()
      }
    })

    it('that gives signatures of another key, it never hands one on, and does not call it back before it has given a good one', async () => {
      const other = { ...alice, secretKey: Buffer.from(alice.secretKey) }
      other.secretKey[0]! ^= 1
      let good = false
      await listen(
        createHttp(async (request, response) => {
          const chunks: Buffer[] = []
          for await (const chunk of request) {
            chunks.push(chunk)
          }
          const { bytes } = JSON.parse(Buffer.concat(chunks).toString()) as { bytes?: string }
          const sign = () =>
            signEd25519(Buffer.from(bytes!, 'base64'), good ? alice.secretKey : Buffer.concat([Buffer.alloc(32, 7), alice.publicKey]))
          const answers: Record<string, () => unknown> = {
            '/v2/session': () => SESSION,
            '/v2/log': () => ({ entries: [], more: false }),
            '/v2/sign-message': () => ({ signature: Buffer.from(sign()).toString('base64') })
          }
          json(200, answers[request.url!]?.() ?? {})(request, response)
        })
      )
      const side: NodeSide = await nodeSide({ dir, socket })
      maySign(side)
      const away = side.heard.next('away')
      const asked = side.signer.signMessage(one)
      expect(await away).to.match(/a signature that is not of its key/)
      good = true
      await asked
      expect(side.heard.said.map(([what]) => what)).to.deep.equal(['away', 'back'])
      await side.close()
    })
  })

  it('that is no socket, or a link to one that is gone, is not asked', async () => {
    for (const make of [
      () => writeFileSync(socket, ''),
      () => mkdirSync(socket),
      () => symlinkSync(join(dir, 'nothing'), socket),
      () => {}
    ]) {
      rmSync(socket, { recursive: true, force: true })
      make()
      const err = await nodeSide({ dir, socket }, { answerMs: 300, patienceMs: 100 }).catch((err: Error) => err)
      expect((err as Error).message).to.match(/is no socket|there is no socket/)
    }
  })

  describe('as a signer finds its place', () => {
    let store: Store
    beforeEach(() => {
      store = openStore({ dir: join(dir, 'store') })
    })
    afterEach(() => store.close())
    const serve = (path = socket) => serveSigner({ path, keyPair: alice, store, programId: PROGRAM_ID, maxFeeRoe: 0n, onEvent() {} })
    const fails = async (path?: string) => {
      const err = await serve(path).catch((err: Error) => err)
      expect(err).to.include({ name: 'SignerSocketError' })
      return (err as Error).message
    }

    it('is for its user alone, and goes when the signer stops', async () => {
      const serving = await serve(join(dir, 'made', 'too', 'socket'))
      expect(statSync(join(dir, 'made', 'too', 'socket')).mode & 0o777).to.equal(0o600)
      for (const made of ['made', 'made/too']) {
        expect(statSync(join(dir, made)).mode & 0o777).to.equal(0o700)
      }
      await serving.stop()
      expect(existsSync(join(dir, 'made', 'too', 'socket'))).to.equal(false)
    })

    it('is refused in a folder that others may enter, with what to do', async () => {
      for (const mode of [0o755, 0o710, 0o701, 0o770]) {
        chmodSync(folder, mode)
        expect(await fails()).to.match(/others may enter .*: chmod 700 .*private, or choose another folder with --socket/)
      }
      expect(existsSync(socket)).to.equal(false)
    })

    it('is left alone where a file, a folder or a link is', async () => {
      const makes: Array<() => void> = [
        () => writeFileSync(socket, 'mine'),
        () => mkdirSync(socket),
        () => symlinkSync(join(dir, 'elsewhere'), socket)
      ]
      for (const make of makes) {
        rmSync(socket, { recursive: true, force: true })
        make()
        expect(await fails()).to.match(/is no socket, so it is not replaced/)
        expect(() => statSync(folder)).not.to.throw()
      }
      rmSync(socket)
      writeFileSync(socket, 'mine')
      await fails()
      expect(readFileSync(socket, 'utf8')).to.equal('mine')
    })

    it('is not taken from a process that listens there, whatever that is, nor from a signer that just starts', async () => {
      const other = createServer()
      await new Promise<void>((resolve) => other.listen(socket, resolve))
      expect(await fails()).to.match(/another process listens on/)
      expect(existsSync(socket)).to.equal(true)
      await new Promise((resolve) => other.close(resolve))
      const both = await Promise.allSettled([serve(), serve()])
      expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
      for (const one of both) {
        if (one.status === 'fulfilled') {
          await one.value.stop()
        }
      }
    })

    it('is taken where a signer was killed', async () => {
      const place = await placeFor(dir, alice)
      const signer = await upSigner(place)
      await killed(signer)
      expect(existsSync(socket)).to.equal(true)
      const serving = await serve()
      const side = await nodeSide({ dir, socket })
      await side.close()
      await serving.stop()
    })

    it('is too long for a socket', async () => {
      expect(await fails(join(folder, 'x'.repeat(120)))).to.match(/may have 103: give a shorter one/)
    })
  })
})
