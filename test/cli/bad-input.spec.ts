/** What a user can get wrong: each gives one line that names the cause and the next step, and loses nothing. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'

const NOBODY = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
const CID = 'bafyreigslyhqtvideh3g3gjodlbou5hjhw3hzmm4at4i5vxrjwgs7j36ua'
const STRANGER = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'

describe('CLI: bad input', function () {
  // each case starts a process, on a machine that may be busy
  this.timeout(120_000)

  let dir: string
  let remove: () => Promise<void>
  let k2: Cli
  let url: string
  let task: string
  let key: string
  let site: Server
  let siteUrl: string
  let taken: TcpServer
  let takenPort: number

  before(async () => {
    ;({ dir, remove } = await tempDir())
    key = join(dir, 'key.json')
    await writeKeyFile(key, generateKeyPair())
    k2 = cli(['k2', '--port', '0', '--slot-ms', '50', '--json'])
    ;({ url } = await k2.event('listening K2', ({ event }) => event === 'listening'))
    const created = await run(['task', 'create', '--k2', url, '--bundle', 'k2-index', '--wallet', key, '--airdrop', '--json'])
    expect(created.stderr).to.equal('')
    ;({ task } = JSON.parse(created.stdout))
    site = createServer((request, response) => {
      response.statusCode = request.url === '/missing' ? 404 : 200
      response.end(request.url === '/json' ? '{"hello":"world"}' : '<html>hello</html>')
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
    taken = createTcpServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    takenPort = (taken.address() as AddressInfo).port
  })
  after(async () => {
    taken?.close()
    site?.close()
    await k2?.clean()
    await remove?.()
  })

  /** One line on standard error, nothing on standard output, and the status that tells usage from failure. */
  async function expectRefusal(args: string[], code: 1 | 2 | 3, says: RegExp[], env?: Record<string, string>): Promise<void> {
    // a home of its own: what lies in the real one is not this test's
    const result = await run(args, { cwd: dir, env: { HOME: dir, XDG_DATA_HOME: join(dir, 'data'), ...env } })
    const shown = `koii-mesh ${args.join(' ')}\n${result.stderr}`
    expect(result.stderr.endsWith('\n'), shown).to.equal(true)
    expect(result.stderr.trimEnd().split('\n'), shown).to.have.length(1)
    expect(result.stderr, shown).to.match(/^koii-mesh: /)
    expect(result.stderr, shown).not.to.match(/\bat .*:\d+:\d+|TypeError|\[object/)
    for (const what of says) {
      expect(result.stderr, shown).to.match(what)
    }
    expect(result.stdout, shown).to.equal('')
    expect(result.code, shown).to.equal(code)
  }
  const file = async (name: string, text: string) => {
    await writeFile(join(dir, name), text)
    return join(dir, name)
  }
  /** A `start` that would run if it were not for what `more` changes. */
  const start = (...more: string[]) => [
    ...['start', '--k2', url, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--log-level', 'warn'],
    // one more would be one more to do
    ...(more.includes('--task') ? [] : ['--task', task]),
    ...(more.includes('--data-dir') ? [] : ['--data-dir', join(dir, 'node')]),
    ...more
  ]

  describe('key files', () => {
    const cases: Array<[name: string, text: () => string, says: RegExp]> = [
      ['not JSON', () => 'my secret', /not JSON/],
      ['no array', () => '{"key":1}', /not an array/],
      ['of another length', () => '[1,2,3]', /an array of 3 values/],
      [
        'of two halves that do not match',
        () => JSON.stringify([...generateKeyPair().secretKey.subarray(0, 32), ...generateKeyPair().publicKey]),
        /public half does not belong/
      ]
    ]
    for (const [name, text, says] of cases) {
      it(name, async () => {
        const path = await file('bad-key.json', text())
        const before = await readFile(path, 'utf8')
        await expectRefusal(start('--key', path), 1, [says, /bad-key\.json/, /JSON array of 64 numbers/])
        await expectRefusal(['stake', '--k2', url, '--task', task, '--amount', '1', '--key', path], 1, [says, /JSON array of 64 numbers/])
        expect(await readFile(path, 'utf8')).to.equal(before)
      })
    }
    it('a missing one', async () => {
      await expectRefusal(start('--key', join(dir, 'none.json')), 1, [/none\.json/, /koii-mesh keygen --out/])
      await expectRefusal(['claim', '--k2', url, '--task', task, '--key', join(dir, 'none.json')], 1, [
        /none\.json/,
        /koii-mesh keygen --out/
      ])
    })
    it('keygen never overwrites, and writes what only the owner can read', async () => {
      const path = join(dir, 'made.json')
      const made = await run(['keygen', '--out', path, '--json'])
      expect(made.code).to.equal(0)
      expect(JSON.parse(made.stdout)).to.have.keys('address', 'file')
      expect(((await stat(path)).mode & 0o777).toString(8)).to.equal('600')
      const before = await readFile(path, 'utf8')
      await expectRefusal(['keygen', '--out', path], 1, [/exists already/, /choose another/])
      expect(await readFile(path, 'utf8')).to.equal(before)
    })
  })

  describe('K2', () => {
    for (const command of [
      ['task', 'list'],
      ['task', 'show', STRANGER],
      ['start', '--task', STRANGER]
    ]) {
      it(`${command.join(' ')} of one that does not answer`, () =>
        expectRefusal([...command, '--k2', 'http://127.0.0.1:1'], 1, [
          /K2 at http:\/\/127\.0\.0\.1:1 does not answer/,
          /--k2|koii-mesh k2/
        ]))
    }
    it('a web site', () => expectRefusal(['task', 'list', '--k2', siteUrl], 1, [/not as a K2/, /check the URL/]))
    it('a page that is not there', () => expectRefusal(['task', 'list', '--k2', `${siteUrl}/missing`], 1, [/404/, /check the URL/]))
    it('JSON of something else', () => expectRefusal(['task', 'list', '--k2', `${siteUrl}/json`], 1, [/not as a K2/, /check the URL/]))
    it('no URL', async () => {
      await expectRefusal(['task', 'list', '--k2', 'somewhere'], 2, [/"somewhere" is not the URL/, /such as http:/])
      await expectRefusal(['start', '--k2', 'somewhere', '--task', task], 2, [/--k2 is "somewhere"/, /such as http:/])
    })
  })

  describe('tasks', () => {
    it('an id that does not exist', async () => {
      for (const args of [
        ['task', 'show', STRANGER, '--k2', url],
        ['stake', '--task', STRANGER, '--amount', '1', '--k2', url, '--key', key],
        ['claim', '--task', STRANGER, '--k2', url, '--key', key],
        start('--task', STRANGER)
      ]) {
        await expectRefusal(args, 1, [/there is no task 9xQe/, /koii-mesh task list/])
      }
    })
    it('an account that is no task', () =>
      expectRefusal(['task', 'show', '11111111111111111111111111111111', '--k2', url], 1, [/is not a task/, /check the id/]))
    it('no address at all', async () => {
      await expectRefusal(['task', 'show', 'nonsense', '--k2', url], 2, [/"nonsense" is not the address of a task/, /koii-mesh task list/])
      await expectRefusal(start('--task', 'nonsense'), 2, [/--task is "nonsense"/, /base58/])
    })
    it('a bundle that is not there, and a file that is none', async () => {
      const create = ['task', 'create', '--k2', url, '--wallet', key, '--bundle']
      await expectRefusal([...create, './none.mjs'], 1, [/none\.mjs/, /k2-index/])
      await expectRefusal([...create, await file('none.txt', 'hello')], 1, [/not a task bundle/])
    })
    it('nothing to claim yet', () =>
      expectRefusal(['claim', '--k2', url, '--task', task, '--key', key], 1, [/no cycle of this task has been finalized/]))
    it('an amount that is none', () =>
      expectRefusal(['stake', '--k2', url, '--task', task, '--amount', 'much', '--key', key], 2, [/--amount is "much"/, /such as 2/]))
    it('more stake than money', async () => {
      const poor = join(dir, 'poor.json')
      await writeKeyFile(poor, generateKeyPair())
      // people are told the task’s terms before the money is looked for
      await expectRefusal(['stake', '--json', '--k2', url, '--task', task, '--amount', '5', '--key', poor], 1, [/not enough KOII/, /fund/])
    })
  })

  describe('proofs', () => {
    const get = (...more: string[]) => ['proof', 'get', '--json', ...more]
    it('a CID that nobody has', async () => {
      await expectRefusal(get(CID, '--from', NOBODY, '--timeout', '5', '--out', join(dir, 'proof')), 1, [
        new RegExp(CID),
        /did not arrive/,
        /--from/
      ])
      expect(await readdir(dir)).not.to.include('proof')
    })
    it('a CID that is none', () => expectRefusal(get('zzz', '--from', NOBODY), 2, [/'zzz' is not a CID/, /bafyrei/]))
    it('a peer without its PeerId, and what is no address', async () => {
      await expectRefusal(get(CID, '--from', '/ip4/127.0.0.1/tcp/1'), 2, [/does not name the peer/, /\/p2p\//])
      await expectRefusal(get(CID, '--from', 'my friend'), 2, [/"my friend" is not a multiaddr/, /such as/])
    })
    it('nobody to ask', () => expectRefusal(get(CID), 2, [/nobody to ask/, /--from/]))
  })

  describe('ports that are in use', () => {
    it('k2', () => expectRefusal(['k2', '--port', String(takenPort)], 1, [new RegExp(`port ${takenPort}`), /in use/, /--port/]))
    it('start --listen', () =>
      expectRefusal(start('--key', key, '--listen', `/ip4/127.0.0.1/tcp/${takenPort}`), 1, [
        new RegExp(`${takenPort}`),
        /in use/,
        /--listen/
      ]))
    it('start --api-port', () =>
      expectRefusal(start('--key', key, '--json', '--api-port', String(takenPort)), 1, [
        new RegExp(`port ${takenPort}`),
        /in use/,
        /--api-port/
      ]))
    it('testnet --port', () =>
      expectRefusal(['testnet', '--nodes', '1', '--port', String(takenPort)], 1, [new RegExp(`port ${takenPort}`), /in use/, /--port/]))
  })

  describe('data directories', () => {
    it('a damaged one: nothing is changed', async () => {
      const data = join(dir, 'damaged')
      await mkdir(data)
      const garbage = Buffer.alloc(8192, 'not a database ')
      await writeFile(join(data, 'node.sqlite'), garbage)
      await expectRefusal(start('--data-dir', data), 1, [/damaged/, /Nothing was changed/, /Move .*node\.sqlite away/])
      expect(await readFile(join(data, 'node.sqlite'))).to.deep.equal(garbage)
      expect(await readdir(data)).to.deep.equal(['node.sqlite'])
    })
    it('a node key that is none', async () => {
      const data = join(dir, 'odd-key')
      await mkdir(data)
      await writeFile(join(data, 'node-key'), 'my secret')
      await expectRefusal(start('--data-dir', data, '--key', key), 1, [/is not a node key/, /move it away/])
      expect(await readFile(join(data, 'node-key'), 'utf8')).to.equal('my secret')
    })
    it('a staking key in it that is none: it is not made anew', async () => {
      const data = join(dir, 'odd-staking-key')
      await mkdir(data)
      await writeFile(join(data, 'staking-key.json'), '[1]')
      await expectRefusal(start('--data-dir', data), 1, [/staking-key\.json is not a key file/])
      expect(await readFile(join(data, 'staking-key.json'), 'utf8')).to.equal('[1]')
    })
    it('a file in its place', async () => {
      const path = await file('a-file', 'hello')
      await expectRefusal(start('--data-dir', path), 1, [/a-file/, /--data-dir/])
      expect(await readFile(path, 'utf8')).to.equal('hello')
    })
    it('one that a running node uses, and one that none does', async () => {
      const data = join(dir, 'in-use')
      const node = cli(start('--data-dir', data, '--json'))
      try {
        await node.event('listening node', ({ event }) => event === 'listening')
        await expectRefusal(start('--data-dir', data), 3, [/in use by another running node \(process \d+\)/, /--data-dir/])
        const status = await run(['status', '--data-dir', data, '--json'])
        expect(status.code).to.equal(0)
        expect(JSON.parse(status.stdout)).to.include({ task, staked: false })
        node.signal('SIGTERM')
        expect(await node.ended).to.deep.equal({ code: 0, signal: null })
      } finally {
        await node.clean()
      }
      await expectRefusal(['status', '--data-dir', data], 1, [/no node runs with the data directory/, /koii-mesh start/])
    })
    it('of a local K2: damaged', async () => {
      const data = join(dir, 'k2-damaged')
      await mkdir(data)
      const stopped = cli(['k2', '--port', '0', '--slot-ms', '50', '--data-dir', data, '--json'])
      await stopped.event('listening K2', ({ event }) => event === 'listening')
      stopped.signal('SIGINT')
      expect((await stopped.ended).code).to.equal(0)
      const names = (await readdir(data)).filter((name) => name.endsWith('.sqlite') || name.endsWith('.db'))
      expect(names.length, String(await readdir(data))).to.be.at.least(1)
      const garbage = Buffer.alloc(8192, 'not a database ')
      await writeFile(join(data, names[0]!), garbage)
      await expectRefusal(['k2', '--port', '0', '--data-dir', data], 1, [/damaged|not a local K2/, /--data-dir/])
      expect(await readFile(join(data, names[0]!))).to.deep.equal(garbage)
    })
  })

  describe('usage', () => {
    it('faults', async () => {
      await expectRefusal(['testnet', '--fault', 'lazy:1'], 2, [/there is no fault "lazy"/, /bad-proof.*no-proof.*silent.*equivocate/])
      for (const count of ['0', '-1', 'x', '1.5', '1:2', '']) {
        await expectRefusal(['testnet', '--fault', `silent:${count}`], 2, [/KIND:COUNT/])
      }
      await expectRefusal(['testnet', '--nodes', '2', '--fault', 'silent:3'], 2, [/3 faults for 2 nodes/, /--nodes/])
    })
    it('flags, commands and what is missing', async () => {
      await expectRefusal(['start', '--stak', '3'], 2, [/unknown option '--stak'/, /koii-mesh start --help/])
      await expectRefusal(['begin'], 2, [/unknown command 'begin'/, /koii-mesh --help/])
      await expectRefusal(['task', 'make'], 2, [/unknown command 'make'/, /koii-mesh task --help/])
      await expectRefusal(['claim'], 2, [/--task/, /koii-mesh claim --help/])
      await expectRefusal(['stake', '--task', task], 2, [/--amount/, /koii-mesh stake --help/])
      await expectRefusal(['proof', 'get'], 2, [/cid/, /koii-mesh proof get --help/])
      await expectRefusal(['k2', '--port', '70000'], 2, [/--port/, /from 0 to 65534/])
      await expectRefusal(['testnet', '--nodes', '0'], 2, [/--nodes/, /from 1/])
      await expectRefusal(['start', '--k2', url], 2, [/--task is missing/, /KOII_MESH_TASK/])
    })
    it('configuration files', async () => {
      await expectRefusal(start('--config', join(dir, 'none.json')), 2, [/cannot read the configuration file/, /--config/])
      await expectRefusal(start('--config', await file('config.json', '{k2: 1}')), 2, [/config\.json is not valid JSON/])
      await expectRefusal(start('--config', await file('config.json', '[]')), 2, [/one object/])
      await expectRefusal(start('--config', await file('config.json', '{"stakes": 1}')), 2, [
        /"stakes" in .*config\.json/,
        /no such setting/
      ])
      await expectRefusal(start('--config', await file('config.json', '{"minPeers": "many"}')), 2, [
        /"minPeers" in .*config\.json is "many"/
      ])
    })
    it('environment variables and values of flags', async () => {
      await expectRefusal(start(), 2, [/KOII_MESH_API_PORT is "x"/], { KOII_MESH_API_PORT: 'x' })
      await expectRefusal(start('--log-level', 'loud'), 2, [/--log-level is "loud"/, /debug/])
      await expectRefusal(start('--bootstrap', 'my friend'), 2, [/--bootstrap/, /my friend/, /multiaddr such as/])
      await expectRefusal(start('--params', '{'), 2, [/--params is not JSON/])
    })
  })
})
