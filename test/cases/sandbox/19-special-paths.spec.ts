import { execFileSync } from 'node:child_process'
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadConfig } from '../../../src/config/index.ts'
import { readKeyFile } from '../../../src/identity/index.ts'
import { createLocalK2, resetDataDir } from '../../../src/local-k2/index.ts'
import { readNodeKey } from '../../../src/network/node-key.ts'
import { describeBundle } from '../../../src/node/index.ts'
import { openStore } from '../../../src/store/index.ts'
import { run, tempDir } from '../../e2e/cli.ts'

describe('cases: devices, pipes and folders in the place of files', function () {
  this.timeout(60_000)
  let dir: string
  let remove: () => Promise<void>
  let server: Server
  const odd: Record<string, string> = {}
  before(async function () {
    if (process.platform === 'win32') {
      this.skip()
    }
    ;({ dir, remove } = await tempDir())
    const fifo = join(dir, 'fifo')
    execFileSync('mkfifo', [fifo])
    const socket = join(dir, 'socket')
    server = createServer().listen(socket)
    const huge = join(dir, 'huge')
    await writeFile(huge, '')
    await truncate(huge, 2 ** 40)
    Object.assign(odd, {
      'a device that never ends': '/dev/zero',
      'a FIFO': fifo,
      'a socket': socket,
      'a folder': dir,
      'a huge file': huge
    })
    if (process.platform === 'linux') {
      odd['a file of /proc'] = '/proc/self/pagemap'
    }
  })
  after(async () => {
    server?.close()
    await remove?.()
  })
  const refusal = async (work: () => unknown): Promise<Error> => {
    try {
      await work()
    } catch (err) {
      return err as Error
    }
    throw new Error('it was taken')
  }

  const readers: Record<string, (path: string) => unknown> = {
    'a key': readKeyFile,
    'a node key': readNodeKey,
    'a configuration': (path) => loadConfig({ file: path }),
    'a bundle': describeBundle
  }
  for (const [what, read] of Object.entries(readers)) {
    it(`are refused as ${what}, at once and in one line`, async () => {
      for (const [kind, path] of Object.entries(odd)) {
        const { name, message } = await refusal(() => read(path))
        expect(name, kind).to.match(/KeyFileError|NodeKeyError|ConfigError|BundleError/)
        expect(message, kind)
          .to.include(path)
          .and.match(/should be a file|bytes|\(E[A-Z]+/)
        expect(message, kind).not.to.include('\n')
        if (kind === 'a FIFO' || kind === 'a folder') {
          expect(message).to.include(`it is ${kind}`)
        }
      }
    })
  }

  it('are refused as data directories, or as the database in one', async () => {
    const places = Object.entries(odd).filter(([kind]) => kind !== 'a folder')
    if (process.platform === 'linux') {
      places.push(['a place in /proc', '/proc/x'], ['a place below one that never is', '/proc/x/y/z'])
    }
    for (const [kind, path] of places) {
      expect((await refusal(() => openStore({ dir: path }))).name, kind).to.equal('StoreError')
      expect((await refusal(() => createLocalK2({ port: 0, dataDir: path }))).name, kind).to.equal('DataDirUnusableError')
    }
    for (const name of ['node.sqlite', 'k2.sqlite']) {
      const place = join(dir, `with ${name}`)
      await mkdir(place)
      execFileSync('mkfifo', [join(place, name)])
      if (name === 'node.sqlite') {
        expect((await refusal(() => openStore({ dir: place }))).message).to.match(/is a FIFO, and should be a file/)
      } else {
        expect((await refusal(() => createLocalK2({ port: 0, dataDir: place }))).message).to.match(/is a FIFO, and should be a file/)
        expect((await refusal(() => resetDataDir(place))).message).to.match(/is a FIFO, and should be a file/)
      }
    }
  })

  it('end the command with one line and the status of its kind', async () => {
    const k2 = ['--k2', 'http://127.0.0.1:1', '--task', '1'.repeat(32)]
    for (const [args, code, complaint] of [
      [['--data-dir', join(dir, 'd'), '--key', '/dev/zero'], 1, /cannot read the key file \/dev\/zero .*it is a device/],
      [['--data-dir', join(dir, 'socket')], 1, /cannot use the data directory/],
      [['--config', join(dir, 'fifo')], 2, /cannot read the configuration file .*it is a FIFO/]
    ] as const) {
      const ended = await run(['start', ...k2, ...args])
      expect(ended.code, ended.stderr).to.equal(code)
      expect(ended.stderr.trim().split('\n')).to.have.length(1)
      expect(ended.stderr).to.match(complaint)
    }
  })
})
