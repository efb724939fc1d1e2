import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { tempDir } from '../e2e/cli.ts'

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

  it('installs where npm has left no list', () => {
    expect(install()).to.equal('installs')
  })
})
