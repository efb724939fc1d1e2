/**
 * Runs a part of the tests.
 *
 *   npm run test:fast             every spec that starts no process and opens no socket
 *   npm run test:room -- NAME     the specs of one room of src/
 *
 * What else is given goes to mocha: `npm run test:room -- k2 -g "sends again"`.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { allSpecs, fastSpecs, ROOT, roomSpecs, rooms } from './lanes/lanes.ts'

const [lane, ...given] = process.argv.slice(2)

/** Ends with status 2. */
function misused(text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(2)
}

async function run(name: string, specs: string[], mochaArgs: string[], jobs: number): Promise<void> {
  console.log(`${name}: ${specs.length} of ${allSpecs().length} spec files`)
  process.chdir(ROOT)
  const mocha = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')
  process.argv = [
    process.execPath,
    mocha,
    '--parallel',
    '--jobs',
    String(jobs),
    '--require',
    './test/lanes/watch.ts',
    ...mochaArgs,
    ...specs
  ]
  await import(pathToFileURL(mocha).href)
}

if (lane === 'fast') {
  // nothing in it waits, so it takes all cores; with one job mocha would run all files in one process
  await run('test:fast', fastSpecs(), given, Math.max(2, availableParallelism()))
} else if (lane === 'room') {
  const [room, ...mochaArgs] = given
  if (room == null || !rooms().includes(room)) {
    misused(
      `test:room: ${room == null ? 'no room is given' : `src/ has no room "${room}"`}. Rooms: ${rooms().join(', ')}. For example: npm run test:room -- wire`
    )
  }
  await run(`test:room ${room}`, roomSpecs(room), mochaArgs, 3)
} else {
  misused('usage: npm run test:fast, or npm run test:room -- NAME')
}
