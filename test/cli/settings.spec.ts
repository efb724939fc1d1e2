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

  describe('of a node that does several tasks', () => {
    const other = '1'.repeat(32)
    let several: string
    before(async () => {
      several = join(dir, 'several.json')
      const key = join(dir, 'none.json')
      await writeFile(several, JSON.stringify({ k2: 'http://127.0.0.1:9', key, task: TASK, tasks: [{ task: other, quotaMiB: 64 }] }))
    })

    for (const [command, says] of [
      [['claim'], /is about one task, and KOII_MESH_TASK or the configuration file names 2: say which one, with --task/],
      [['task', 'show'], /is about one task, .* names 2: say which one, after the name of the command/]
    ] as const) {
      it(`${command.join(' ')}: says that one has to be named, and takes the one that is`, async () => {
        const named = command[0] === 'task' ? [other] : ['--task', other]
        for (const [args, env] of [
          [['--config', several], {}],
          [['--k2', 'http://127.0.0.1:9'], { KOII_MESH_TASK: `${TASK},${other}`, KOII_MESH_KEY: join(dir, 'none.json') }]
        ] as Array<[string[], Record<string, string>]>) {
          const { code, stderr } = await run([...command, ...args], { env })
          expect(code).to.equal(2)
          expect(stderr).to.match(says)
          expect((await run([...command, ...named, ...args], { env })).stderr).to.match(/127\.0\.0\.1:9|none\.json/)
        }
      })
    }

    it('takes the one task of a list, and of settings of its own', async () => {
      for (const named of [{ task: [TASK] }, { tasks: [{ task: TASK }] }]) {
        await writeFile(several, JSON.stringify({ k2: 'http://127.0.0.1:9', key: join(dir, 'none.json'), ...named }))
        expect((await run(['claim', '--config', several])).stderr).to.match(/none\.json/)
      }
    })

    it('takes the key that the task has of its own, and none where it has a signer', async () => {
      const key = join(dir, 'none.json')
      const tasks = [
        { task: TASK, key: join(dir, 'its-own.json') },
        { task: other, signer: join(dir, 'socket') }
      ]
      await writeFile(several, JSON.stringify({ k2: 'http://127.0.0.1:9', key, tasks }))
      const told = async (args: string[], env: Record<string, string> = {}) =>
        (await run(['claim', '--config', several, ...args], { env })).stderr
      expect(await told(['--task', TASK])).to.include('its-own.json')
      expect(await told([`--task=${TASK}`])).to.include('its-own.json')
      expect(await told([], { KOII_MESH_TASK: TASK })).to.include('its-own.json')
      expect(await told(['--task', other])).not.to.include('none.json')
      expect(await told(['--task', TASK], { KOII_MESH_KEY: join(dir, 'variable.json') })).to.include('variable.json')
    })

    it('leaves out what may be left out', async () => {
      const proof = ['proof', 'get', 'bafyreihirt3benorv55dy5ab7vqdpdw4td3hsjl5kpqtz6ofwiwthsweua']
      const env = { KOII_MESH_TASK: `${TASK},${other}` }
      expect((await run([...proof, '--data-dir', join(dir, 'none')], { env })).stderr).to.include('no node runs with the data directory')
    })
  })

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
