/** An author gives a task its parameters: on a testnet, and on a K2 that stays, where no operator types them and nobody has others. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { typedParams } from '../../../src/config/index.ts'
import { paramsCid } from '../../../src/node/index.ts'
import { type Cli, cli, run, tempDir } from '../../e2e/cli.ts'
import { cleanTestnets, RUN_TIMEOUT_MS, testnet } from '../../e2e/testnet.ts'

/** Each node submits what it was given, and audits that others were given the same. */
const MEASURE = `
export const manifest = { name: 'measure', version: '1.0.0', network: true }
const urls = (ctx) => JSON.stringify(ctx.params)
export function task () {}
export async function submission (ctx, cycle) {
  return { value: urls(ctx), proofs: [await ctx.proofs.putNode({ staker: ctx.staker, cycle })] }
}
export function audit (ctx, { value }) {
  return value === urls(ctx) && ctx.params.urls.length === 2 ? true : { valid: false, reason: 'result 1 is of another URL' }
}
`
const URLS = '{"urls":["http://127.0.0.1:1/","http://127.0.0.1:2/"],"every":3}'
const SAME = '{ "every": 3, "urls": ["http://127.0.0.1:1/", "http://127.0.0.1:2/"] }'

describe('case ux/07: parameters of a task', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let dir: string
  let remove: () => Promise<void>
  const nodes: Cli[] = []
  before(async () => {
    ;({ dir, remove } = await tempDir())
    await writeFile(join(dir, 'measure.mjs'), MEASURE)
    await writeFile(join(dir, 'params.json'), SAME)
    await mkdir(join(dir, 'nodes'))
  })
  afterEach(async function () {
    await Promise.all(nodes.splice(0).map((node) => node.clean()))
    await cleanTestnets(this.currentTest?.state === 'failed')
  })
  after(() => remove())

  it('are given to a testnet, fetched with the bundle by who joins, compared at the start, and shown', async () => {
    const digest = await paramsCid(typedParams(URLS))
    const { command } = await testnet(['--task', join(dir, 'measure.mjs'), '--nodes', '2', '--params', URLS])
    const made = await command.event('the task', ({ event }) => event === 'task' && true)
    expect(made).to.deep.include({ name: 'measure', params: JSON.parse(URLS), network: true })
    const { url } = await command.event('K2', ({ event }) => event === 'k2')
    const first = await command.event('a node with the task', ({ event, taskName }) => event === 'task' && taskName === 'measure')
    expect(first.params).to.equal(digest)
    // what was given is what is measured: an audit of a node that had none would throw
    const audited = await command.event('an audit', ({ event }) => event === 'audited')
    expect(audited).to.include({ finding: 'valid' })

    const start = (name: string, ...more: string[]) => {
      const node = cli([
        ...['start', '--k2', url, '--task', made.task, '--allow-private', '--json', '--listen', '/ip4/127.0.0.1/tcp/0'],
        ...['--data-dir', join(dir, 'nodes', name), ...more]
      ])
      nodes.push(node)
      return node
    }
    // nobody types them, or types the same
    for (const [name, ...more] of [['joins'], ['types', '--params', `@${join(dir, 'params.json')}`]] as const) {
      const joined = await start(name, ...more).event('the task', ({ event }) => event === 'task')
      expect(joined.params).to.equal(digest)
    }
    // others are refused: both are named, and what to do
    const other = start('other', '--params', '{"urls":[]}')
    expect((await other.ended).code).to.equal(2)
    expect(other.stderr())
      .to.include(await paramsCid(typedParams('{"urls":[]}')))
      .and.to.include(digest)
      .and.to.match(/koii-mesh: .*all others would find its work wrong. Leave them out \(--params/)

    const shown = await run(['task', 'show', made.task, '--k2', url])
    expect(shown.stdout).to.include(`params    ${digest} ${typedParams(URLS).text}`)
    const json = JSON.parse((await run(['task', 'show', made.task, '--k2', url, '--json'])).stdout)
    expect(json).to.deep.include({ paramsCid: digest, params: { known: true, value: JSON.parse(URLS) } })
  })

  it('are part of the bundle that task create names, in whatever order they are typed; task update does not lose them', async () => {
    const { command } = await testnet(['--task', 'k2-index', '--nodes', '1'])
    const { url } = await command.event('K2', ({ event }) => event === 'k2')
    const wallet = join(dir, 'wallet.json')
    expect((await run(['keygen', '--out', wallet])).code).to.equal(0)
    const task = (what: string[], env: Record<string, string> = {}) =>
      run(['task', ...what, '--k2', url, '--bundle', join(dir, 'measure.mjs'), '--wallet', wallet], { env })
    const create = async (more: string[], env: Record<string, string> = {}) => {
      const made = await task(['create', '--airdrop', '--json', ...more], env)
      expect(made.code, made.stderr).to.equal(0)
      return JSON.parse(made.stdout)
    }
    const typed = await create(['--params', URLS])
    expect(typed).to.deep.include({ paramsCid: await paramsCid(typedParams(URLS)), params: JSON.parse(URLS) })
    for (const [more, env] of [
      [['--params', `@${join(dir, 'params.json')}`], {}],
      [[], { KOII_MESH_PARAMS: SAME }]
    ] as const) {
      expect((await create([...more], env)).bundle).to.equal(typed.bundle)
    }
    const none = await create([])
    expect(none.paramsCid).to.equal(null)
    expect(none.bundle).to.not.equal(typed.bundle)
    // what it prints is what the author runs next
    const told = await task(['create', '--airdrop', '--params', SAME])
    expect(told.stdout).to.match(/--bundle \S+measure\.mjs --params '\{"every":3,"urls":\[/)
    const shown = await run(['task', 'show', typed.task, '--k2', url])
    expect(shown.stdout).to.match(/^params {4}not known \(no staker says where it is\)/m)
    const updated = await task(['update', typed.task, '--params', '{}'])
    expect(updated.stdout).to.match(/^params .*bafkrei\w+ \{\}, with that bundle$/m)
    const lost = await run(['task', 'update', typed.task, '--k2', url, '--params', '{}', '--wallet', wallet])
    expect([lost.code, lost.stderr]).to.deep.equal([2, lost.stderr])
    expect(lost.stderr).to.match(/give that, too, with --bundle/)
    for (const [params, says] of [
      ['{', /--params is not JSON/],
      ['@none.json', /--params cannot be read from the file none\.json/]
    ] as const) {
      const refused = await task(['create', '--params', params])
      expect(refused.code).to.equal(2)
      expect(refused.stderr).to.match(says)
    }
  })
})
