/** What a person gives wrongly is told in our words, whatever library has noticed it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Command, InvalidArgumentError } from 'commander'
import { amountOf, CONFIG_KEYS, envName, flagName, loadConfig } from '../../../src/config/index.ts'
import { commands } from '../../docs/documents.ts'
import { run, tempDir } from '../../e2e/cli.ts'

const GIVEN = ['', 'abc', '-1', '1e99', 'NaN', ' 5', '0x10', '2.5', '5 ', '[', '{"a":', 'null', '/ip4/1.2.3.4/udp/1/quic-v1', '\0']
const NO_TEXT = [-1, 1e99, Number.NaN, 2.5, null, [], {}, [1], [null], true, [[]]]
/** As zod, Node and V8 say it. */
const NOT_OURS = /Invalid input|expected|received|Too (small|big)|Unrecognized key|Unexpected|must be|ERR_|undefined|\[object/
const base = { k2: 'http://127.0.0.1:9', task: '1'.repeat(32) }

function told(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (err) {
    // what the command line says is wrong usage
    expect(err instanceof InvalidArgumentError || (err as Error).name === 'ConfigError', String(err)).to.equal(true)
    return (err as Error).message
  }
}

describe('cases: ux/10, words of errors', function () {
  this.timeout(120_000)
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(() => remove())

  it('of every setting, as a flag, as a variable and in the file', () => {
    let refused = 0
    for (const key of CONFIG_KEYS) {
      for (const value of [...GIVEN, ...NO_TEXT]) {
        const says = told(() => loadConfig({ flags: { ...base, [key]: value } }))
        if (says != null) {
          refused++
          expect(says, key)
            .to.match(new RegExp(`^${flagName(key)} is `))
            .and.not.to.match(NOT_OURS)
        }
        if (typeof value === 'string') {
          const { [key as 'k2']: _, ...others } = base
          expect(told(() => loadConfig({ flags: others, env: { [envName(key)]: value } })) ?? '').not.to.match(NOT_OURS)
        }
      }
    }
    expect(refused).to.be.above(300)
  })

  it('of every option that a command reads itself', () => {
    const each = (command: Command): Command[] => [command, ...command.commands.flatMap(each)]
    let refused = 0
    for (const command of each(commands())) {
      for (const { parseArg, long } of command.options) {
        for (const value of parseArg == null ? [] : GIVEN) {
          const says = told(() => parseArg!(value, undefined))
          if (says != null) {
            refused++
            expect(says, `${command.name()} ${long}`).not.to.match(NOT_OURS)
          }
        }
      }
    }
    expect(refused).to.be.above(200)
    for (const value of GIVEN) {
      expect(told(() => amountOf(value, '--amount')) ?? '').not.to.match(NOT_OURS)
    }
  })

  it('of the whole command line, with the status for wrong usage', async () => {
    const file = join(dir, 'node.json')
    await writeFile(file, '{"k2": 1, "minPeers": null, "x": 1, "params": "{"}')
    const cases: Array<[string[], RegExp]> = [
      [['start', '--k2', 'http://127.0.0.1:9', '--config', file], /"minPeers" in .* is null: should be a whole number/],
      [
        ['start', ...['--k2', 'http://127.0.0.1:9', '--task', base.task], '--bootstrap', '/ip4/1.2.3.4/udp/1/quic-v1'],
        /TCP and WebSocket only/
      ],
      [
        [
          'proof',
          'get',
          'bafyreihirt3benorv55dy5ab7vqdpdw4td3hsjl5kpqtz6ofwiwthsweua',
          '--from',
          '/ip4/1.2.3.4/udp/1/quic-v1/p2p/12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa'
        ],
        /over TCP/
      ],
      [['proof', 'get', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'], /version 0.*ipfs add --cid-version=1/],
      [['stake', '--task', base.task, '--amount', '1e9'], /--amount is "1e9": an amount in KOII is/]
    ]
    for (const [args, says] of cases) {
      const { code, stderr } = await run(args, { cwd: dir, env: { HOME: dir } })
      expect([code, stderr.trimEnd().split('\n').length], stderr).to.deep.equal([2, 1])
      expect(stderr).to.match(says).and.not.to.match(NOT_OURS)
    }
  })
})
