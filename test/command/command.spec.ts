import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { commandLine, commandName, quoted } from '../../src/command/index.ts'

const ROOT = '/home/me/koii-mesh'
const source = { file: `${ROOT}/src/cli/main.ts`, cwd: ROOT }
const npm = (event: string, from: string) => ({ npm_package_name: 'koii-mesh', npm_lifecycle_event: event, INIT_CWD: from })
/** The words that a shell makes of a line. */
const words = (line: string) =>
  execFileSync('sh', ['-c', `printf '%s\\0' ${line}`])
    .toString()
    .split('\0')
    .slice(0, -1)

describe('command: how it was called', () => {
  it('from a clone, by npm or by hand, from wherever', () => {
    expect(commandName({ ...source, env: npm('koii-mesh', ROOT) })).to.equal('npm run koii-mesh --')
    expect(commandName({ ...source, env: npm('start', `${ROOT}/docs`) })).to.equal('npm run koii-mesh --')
    expect(commandName({ ...source, env: npm('koii-mesh', '/home/me') })).to.equal(`npm --prefix ${ROOT} run koii-mesh --`)
    expect(commandName({ ...source, env: {} })).to.equal('npm run koii-mesh --')
    expect(commandName({ ...source, env: {}, cwd: '/home/me' })).to.equal(`node ${ROOT}/scripts/run.mjs src/cli/main.ts`)
    // npm of another package
    expect(commandName({ ...source, env: { ...npm('start', ROOT), npm_package_name: 'other' }, cwd: '/' })).to.match(/^node /)
  })

  it('installed: where a shell finds it, by npx, or by its path', () => {
    const dir = mkdtempSync(join(tmpdir(), 'koii-mesh-test-'))
    try {
      const file = join(dir, 'lib', 'dist', 'cli', 'main.js')
      const path = `node ${join(dir, 'lib', 'scripts', 'koii-mesh.mjs')}`
      expect(commandName({ file, cwd: dir, env: { PATH: dir } })).to.equal(path)
      writeFileSync(join(dir, 'koii-mesh'), '')
      expect(commandName({ file, cwd: dir, env: { PATH: `/none:${dir}` } })).to.equal('koii-mesh')
      expect(commandName({ file, cwd: dir, env: { PATH: dir, npm_command: 'exec' } })).to.equal('npx koii-mesh')
      expect(commandName({ file, cwd: dir, env: { KOII_MESH_CALLED_AS: 'docker run mesh' } })).to.equal('docker run mesh')
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe('command: lines to paste', () => {
  it('names flags as the command line does, and leaves out what is not set', () => {
    expect(
      commandLine(['task', 'show', 'T'], { k2: 'http://[::1]:1', dataDir: 'a b', json: true, key: undefined, airdrop: false })
    ).to.equal(`koii-mesh task show T --k2 'http://[::1]:1' --data-dir 'a b' --json`)
    expect(commandLine(['start'], { listen: ['/a', '/b'] })).to.equal('koii-mesh start --listen /a --listen /b')
  })

  it('a shell reads each word as it is, on one line or folded', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary-ascii' }).map((text) => text.replaceAll('\0', '')),
          { maxLength: 5 }
        ),
        (given) => {
          expect(words(commandLine(given))).to.deep.equal(['koii-mesh', ...given])
          expect(words(commandLine(given, {}, { columns: 20, indent: '  ' }))).to.deep.equal(['koii-mesh', ...given])
        }
      ),
      { numRuns: 50 }
    )
    expect(quoted("it's; $HOME `x`")).to.equal("'it'\\''s; $HOME `x`'")
  })

  it('folds to a width', () => {
    const line = commandLine(['start'], { k2: 'http://127.0.0.1:8899', task: 'T'.repeat(44), airdrop: true }, { columns: 60, indent: '  ' })
    expect(line.split('\n').every((part, at) => part.length + (at === 0 ? 2 : 0) <= 60)).to.equal(true)
    expect(line.split('\n').length).to.be.above(1)
  })
})
