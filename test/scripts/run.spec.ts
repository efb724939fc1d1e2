import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { sleep, tempDir } from '../e2e/cli.ts'
import { isAlive } from '../processes.ts'

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts')

describe('scripts: run.mjs', () => {
  let root: string
  let remove: () => Promise<void>
  const one = { version: '1.0.0', resolved: 'https://registry.npmjs.org/one/-/one-1.0.0.tgz', integrity: 'sha512-one' }
  const other = { version: '2.0.0', resolved: 'https://registry.npmjs.org/other/-/other-2.0.0.tgz', integrity: 'sha512-other' }
  const lock = { '': { name: 'x' }, 'node_modules/one': one, 'node_modules/elsewhere': { ...other, optional: true } }

  beforeEach(async () => {
    ;({ dir: root, remove } = await tempDir())
    for (const dir of ['scripts', 'node_modules/.bin', 'bin']) {
      await mkdir(join(root, dir), { recursive: true })
    }
    for (const name of ['run.mjs', 'launch.mjs']) {
      await copyFile(join(SCRIPTS, name), join(root, 'scripts', name))
    }
    await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: lock }))
    await writeFile(join(root, 'node_modules/.bin/node'), '')
    // an install would be this
    await writeFile(join(root, 'bin/npm'), '#!/bin/sh\necho npm was called >&2\nexit 9\n', { mode: 0o755 })
  })
  afterEach(() => remove())

  const there = (packages: object) => writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
  const install = () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/run.mjs'), 'install'], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(root, 'bin')}:${process.env.PATH}` }
    })
    return stderr.includes('npm was called') ? 'installs' : status === 0 ? 'takes what is there' : stderr
  }

  it('takes packages that npm ci has installed, and then knows them by one small read', async () => {
    await there({ 'node_modules/one': one })
    expect(install()).to.equal('takes what is there')
    await rm(join(root, 'node_modules/.package-lock.json'))
    expect(install()).to.equal('takes what is there')
  })

  for (const [what, packages] of Object.entries({
    'another version': { 'node_modules/one': { ...one, version: '1.0.1' } },
    'another content': { 'node_modules/one': { ...one, integrity: 'sha512-two' } },
    'a package too few': {},
    'a package too many': { 'node_modules/one': one, 'node_modules/two': other }
  })) {
    it(`installs again where there is ${what}`, async () => {
      await there(packages)
      expect(install()).to.equal('installs')
    })
  }

  describe('under npm’s own shell', () => {
    const left: number[] = []
    afterEach(() => {
      for (const pid of left.splice(0)) {
        if (isAlive(pid)) process.kill(pid, 'SIGKILL')
      }
    })

    /** Runs a command line in the folder, and gives its process and that of the entry point. */
    const up = async (line: string) => {
      await there({ 'node_modules/one': one })
      await rm(join(root, 'node_modules/.bin/node'))
      await symlink(process.execPath, join(root, 'node_modules/.bin/node'))
      await writeFile(
        join(root, 'entry.mjs'),
        `import { renameSync, writeFileSync } from 'node:fs'
         writeFileSync('pid.new', String(process.pid))
         renameSync('pid.new', 'pid')
         setInterval(() => {}, 1e6)`
      )
      const scripts = { 'koii-mesh': 'node scripts/run.mjs entry.mjs', back: 'nohup node scripts/run.mjs entry.mjs >back.log 2>&1 &' }
      await writeFile(join(root, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', scripts }))
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|KOII_MESH_)/i.test(name)))
      const shell = spawn('sh', ['-c', line], { cwd: root, env, stdio: 'ignore' })
      left.push(shell.pid!)
      while (!existsSync(join(root, 'pid'))) {
        await sleep(20)
      }
      const entry = Number(readFileSync(join(root, 'pid'), 'utf8'))
      left.push(entry)
      return { shell, entry }
    }

    it('ends with it: kill of the npm that was put to the background leaves nothing behind', async function () {
      this.timeout(60_000)
      const { shell, entry } = await up('exec npm run -s koii-mesh -- k2')
      shell.kill('SIGTERM')
      while (isAlive(entry)) {
        await sleep(20)
      }
    })

    for (const line of ['npm run -s back', 'nohup npm run -s koii-mesh >back.log 2>&1 &', 'setsid npm run -s koii-mesh >back.log 2>&1 &']) {
      it(`stays where it was put to the background: ${line}`, async function () {
        this.timeout(60_000)
        const { shell, entry } = await up(line)
        while (isAlive(shell.pid!) && shell.exitCode == null) {
          await sleep(20)
        }
        await sleep(1500)
        expect(isAlive(entry)).to.equal(true)
        const launcher = Number(spawnSync('ps', ['-o', 'ppid=', '-p', String(entry)], { encoding: 'utf8' }).stdout)
        process.kill(launcher, 'SIGTERM')
        while (isAlive(entry)) {
          await sleep(20)
        }
      })
    }
  })

  it('installs where npm has left no list', () => {
    expect(install()).to.equal('installs')
  })
})
