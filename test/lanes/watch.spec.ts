/** The watch over the lanes, and the commands that run them, as processes. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT, roomSpecs, rooms } from '../../scripts/lanes/lanes.ts'

const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
const lane = (...args: string[]) => run(join('scripts', 'test.ts'), ...args)

describe('lanes: the watch', () => {
  it('fails a file that does what its imports do not show, or nothing of what they do, and no other', () => {
    const samples = ['listens', 'asks', 'still', 'calm'].map((name) => `test/lanes/samples/${name}.ts`)
    const { status, stdout } = run(
      'node_modules/mocha/bin/mocha.js',
      '--require',
      './test/lanes/watch.ts',
      '--parallel',
      '--jobs',
      '2',
      ...samples
    )
    expect(stdout).to.include('4 passing').and.include('3 failing')
    expect(stdout).to.include('samples/listens.ts is of the fast lane and started a listener')
    expect(stdout).to.include('samples/asks.ts is of the fast lane and started a process')
    expect(stdout).to.include('samples/still.ts starts nothing')
    expect(stdout).to.not.include('samples/calm.ts')
    expect(status).to.equal(3)
  })
})

describe('lanes: the commands', () => {
  it('run a room, and say how many specs that is', () => {
    const { status, stdout } = lane('room', 'audit')
    expect(stdout)
      .to.match(new RegExp(`^test:room audit: ${roomSpecs('audit').length} of \\d+ spec files\n`))
      .and.match(/\d+ passing/)
    expect(status).to.equal(0)
  })

  it('hand on what else they are given', () => {
    const { status, stdout } = lane('room', 'audit', '--dry-run', '--reporter', 'dot')
    expect(stdout)
      .to.match(/\d+ passing/)
      .and.not.include('✔')
    expect(status).to.equal(0)
    expect(lane('room', 'rounds', '-g', 'says nothing again that its log holds').status).to.equal(0)
  })

  it('fail, and say so, where no test is called like what is asked for', () => {
    for (const given of [
      ['scripts/test.ts', 'room', 'audit'],
      // several files: each in a process of its own
      ['scripts/test.ts', 'room', 'rounds'],
      ['node_modules/mocha/bin/mocha.js', 'test/audit/sampling.spec.ts']
    ]) {
      const { status, stdout, stderr } = run(...given, '-g', 'no test is called so')
      expect(stdout).to.include(' 0 passing')
      expect(stderr).to.include('no test was run')
      expect(status).to.equal(1)
    }
  })

  it('end with status 2 and the rooms there are, where the room is missing or wrong', () => {
    for (const [args, says] of [
      [['room'], 'test:room: no room is given.'],
      [['room', 'nowhere'], 'test:room: src/ has no room "nowhere".'],
      [['room', '../test'], 'test:room: src/ has no room "../test".'],
      [['slow'], 'usage: npm run test:fast']
    ] as const) {
      const { status, stderr, stdout } = lane(...args)
      expect(stderr).to.include(says)
      if (args[0] === 'room') {
        expect(stderr).to.include(`Rooms: ${rooms().join(', ')}. `)
      }
      expect([status, stdout]).to.deep.equal([2, ''])
    }
  })
})
