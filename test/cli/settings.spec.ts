import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { run, tempDir } from '../e2e/cli.ts'

const TASK = '79sPp44ozvk8YAMfbokbJctzEjDabGPd8JkSFb8NpmLZ'

/** The settings of `start` hold for the other commands. What says where K2 is shows which one was taken: nothing listens there. */
describe('cli: settings for every command', function () {
  this.timeout(120_000)
  let dir: string
  let remove: () => Promise<void>
  let config: string
  before(async () => {
    ;({ dir, remove } = await tempDir())
    config = join(dir, 'node.json')
    await writeFile(config, JSON.stringify({ k2: ['http://127.0.0.1:9', 'http://127.0.0.1:9'], task: TASK, key: join(dir, 'none.json') }))
  })
  after(() => remove())

  for (const command of [
    ['task', 'show'],
    ['task', 'list'],
    ['unstake', '--amount', '1', '--wallet', 'w.json'],
    ['hint', '--remove'],
    ['claim']
  ]) {
    it(`${command.join(' ')}: from the file, from the environment over it, from a flag over both`, async () => {
      const told = async (args: string[], env: Record<string, string> = {}) => (await run([...command, ...args], { env })).stderr
      const where = /127\.0\.0\.1:(\d+)|none\.json|w\.json/
      expect(await told(['--config', config]))
        .to.match(where)
        .and.not.to.match(/8899|--task/)
      if (command[0] === 'task') {
        expect(await told(['--config', config], { KOII_MESH_K2: 'http://127.0.0.1:11' })).to.include(':11')
        expect(await told(['--config', config, '--k2', 'http://127.0.0.1:13'], { KOII_MESH_K2: 'http://127.0.0.1:11' })).to.include(':13')
      }
    })
  }

  it('a data directory whose node does not run keeps nobody from asking others, unless it is named for it', async () => {
    const none = join(dir, 'none')
    const proof = ['proof', 'get', 'bafyreihirt3benorv55dy5ab7vqdpdw4td3hsjl5kpqtz6ofwiwthsweua', '--data-dir', none]
    expect((await run(proof)).stderr).to.include(`no node runs with the data directory ${none}`)
    expect((await run(proof.slice(0, 3), { env: { KOII_MESH_DATA_DIR: none } })).stderr).to.include('nobody to ask')
  })

  it('a file that cannot be read is a usage error', async () => {
    const { code, stderr } = await run(['task', 'list', '--config', join(dir, 'missing.json')])
    expect([code, stderr]).to.deep.equal([
      2,
      `koii-mesh: cannot read the configuration file ${join(dir, 'missing.json')} (ENOENT): check the path given with --config\n`
    ])
  })
})
