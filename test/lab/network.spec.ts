/** The lab itself: its network does what its scenarios rely on, and nothing of it is ever left. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { isAlive } from '../processes.ts'
import { enterLab } from './enter.ts'
import { scenarioOfSuite } from './lab.ts'
import { bothWays, rulesFor } from './network.ts'
import type { NetworkOutcome } from './scenarios/outcomes.ts'

const [A, B, ROUTER] = ['45.77.1.10', '45.77.1.11', '45.77.9.1']

describe('lab: its rules', () => {
  it('replace all rules before them, cut by pairs of addresses, and lose a share of packets', () => {
    const rules = (lines: string[]) =>
      ['table bridge lab', 'delete table bridge lab', 'table bridge lab {', '  chain pass {', '    type filter hook forward priority 0']
        .concat(
          lines.map((line) => `    ${line}`),
          '  }',
          '}',
          ''
        )
        .join('\n')
    expect(rulesFor(0, [])).to.equal(rules([]))
    expect(rulesFor(5, bothWays([A], [B, ROUTER]), ['45.77.0.1'])).to.equal(
      rules([
        `ip saddr { ${A} } ip daddr { ${B}, ${ROUTER} } counter drop`,
        `ip saddr { ${B}, ${ROUTER} } ip daddr { ${A} } counter drop`,
        'ip saddr { 45.77.0.1 } accept',
        'ip daddr { 45.77.0.1 } accept',
        'meta protocol ip numgen random mod 100 < 5 counter drop'
      ])
    )
  })
})

describe('lab: its network', () => {
  const outcome = scenarioOfSuite<NetworkOutcome>('network', 100)

  it('hosts hear each other at their public addresses, and there is no way out', () => {
    expect(outcome().plain).to.equal(B)
    expect(outcome().wayOut).to.match(/ENETUNREACH/)
  })

  it('a cut takes one way or both, between those that it names, until it is mended', () => {
    expect(outcome().cutOneWay).to.equal(null)
    expect(outcome().cutOtherWay).to.equal(B)
    expect(outcome().cutBothWays).to.deep.equal([null, null, null])
    expect(outcome().mended).to.equal(A)
  })

  it('a router shows its own address, lets answers in, and hides what is behind it', () => {
    expect(outcome().fromBehindRouter).to.equal(ROUTER)
    expect(outcome().answered).to.equal(true)
    expect(outcome().toBehindRouter).to.match(/ENETUNREACH/)
  })

  it('a host that moves is at its new address, and no longer at its old one', () => {
    expect(outcome().movedFrom).to.equal(null)
    expect(outcome().movedTo).to.equal(A)
  })

  it('5 % of all packets are lost', () => {
    // five standard deviations of a thousand throws
    expect(outcome().lost).to.be.within(50 - 35, 50 + 35)
  })

  it('two labs at once do not meet, and the machine outside sees neither', async function () {
    this.timeout(120_000)
    // by their addresses: somebody else may make an interface meanwhile
    const outside = () =>
      Object.values(networkInterfaces()).flatMap((all) =>
        (all ?? []).map(({ address }) => address).filter((one) => /^(45\.77|10\.99)\./.test(one))
      )
    const before = outside()
    const dirs = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'koii-mesh-lab-')))
    const labs = dirs.map((dir) => enterLab('scenarios/network.ts', [dir]))
    try {
      for (const { ended } of labs) {
        const { code, output } = await ended
        expect(code, output).to.equal(0)
      }
      for (const dir of dirs) {
        const { lost, ...rest } = JSON.parse(readFileSync(join(dir, 'outcome.json'), 'utf8'))
        const { lost: _, ...same } = outcome()
        expect(rest).to.deep.equal(same)
        expect(lost).to.be.within(15, 85)
      }
      expect(outside()).to.deep.equal(before)
    } finally {
      await Promise.all(labs.map((lab) => lab.end()))
      for (const dir of dirs) {
        rmSync(dir, { recursive: true, force: true })
      }
    }
  })

  it('goes with the test that built it, even when that is killed', async function () {
    this.timeout(120_000)
    const script = `import { enterLab } from ${JSON.stringify(join(import.meta.dirname, 'enter.ts'))}
      console.log(enterLab('scenarios/idle.ts', []).pid)`
    const test = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pid = await new Promise<number>((resolve) =>
      createInterface({ input: test.stdout! }).once('line', (line) => resolve(Number(line)))
    )
    const processes = await family(pid)
    expect(processes.length, 'unshare, the first process, the driver and what it started').to.be.at.least(4)
    test.kill('SIGKILL')
    // until the kernel has taken all of them away; the suite's limit ends this
    while (processes.some(isAlive)) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
})

/** A process and all below it, once the driver's own child is among them. */
async function family(pid: number): Promise<number[]> {
  const below = (of: number): number[] => {
    try {
      const children = readdirSync(`/proc/${of}/task`).flatMap((task) =>
        readFileSync(`/proc/${of}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
      )
      return children.flatMap((child) => [child, ...below(child)])
    } catch {
      return []
    }
  }
  for (;;) {
    const all = [pid, ...below(pid)]
    if (all.some((one) => commandOf(one).includes('sleep'))) {
      return all
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
