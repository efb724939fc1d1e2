/** Tries, one at a time, what a task must not be able to do. An attack that returns has succeeded. */
import { createHash } from 'node:crypto'
import fs, { writeSync } from 'node:fs'

export const manifest = { name: 'hostile', version: '1.0.0', memoryMb: 64 }

const never = () => new Promise(() => {})
const frame = (json, extra = 0) => {
  const body = Buffer.from(json)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(4 + body.length + extra)
  head.writeUInt32BE(body.length, 4)
  return Buffer.concat([head, body])
}
const raw = (bytes) => {
  let offset = 0
  while (offset < bytes.length) {
    offset += writeSync(3, bytes, offset)
  }
}
const connect = (options) =>
  import('node:net').then(
    ({ connect }) =>
      new Promise((resolve, reject) => {
        const socket = connect(options)
        socket.on('connect', resolve)
        socket.on('error', reject)
      })
  )

const attacks = {
  none: () => {},

  // ---- files
  'read a file of the system': () => fs.readFileSync('/etc/passwd'),
  'read by promises': () => fs.promises.readFile('/etc/passwd'),
  'read the environment in /proc': () => fs.readFileSync('/proc/self/environ'),
  "read the node's environment": () => fs.readFileSync(`/proc/${process.ppid}/environ`),
  'open a descriptor of the node': () => fs.readlinkSync(`/proc/${process.ppid}/fd/0`),
  'look whether a file exists': () => {
    if (!fs.existsSync('/etc/passwd')) {
      throw new Error('denied')
    }
  },
  'list the folder above': () => fs.readdirSync('..'),
  'read above by dots': () => fs.readFileSync(`${process.cwd()}/../../../../../../etc/passwd`),
  'write beside itself': () => fs.writeFileSync('state.txt', 'x'),
  'change its own code': () => fs.appendFileSync('main.mjs', '// x'),
  'write to /tmp': () => fs.writeFileSync('/tmp/koii-task-escape', 'x'),
  'make a symbolic link': () => fs.symlinkSync('/etc', 'etc'),
  'write by SQLite': () => import('node:sqlite').then(({ DatabaseSync }) => new DatabaseSync('/tmp/koii-task-escape.db')),
  'write by SQLite, the other way': () => new (process.getBuiltinModule('node:sqlite').DatabaseSync)('/tmp/koii-task-escape.db'),
  'write a heap snapshot': () => import('node:v8').then((v8) => v8.writeHeapSnapshot('/tmp/koii-task-escape')),
  'write a report': () => process.report.writeReport('/tmp/koii-task-escape'),

  // ---- processes
  'run a command': () => import('node:child_process').then(({ execSync }) => execSync('id')),
  'run a command, the other way': () => process.getBuiltinModule('child_process').execSync('id'),
  'fork bomb': async () => {
    const { fork } = await import('node:child_process')
    for (;;) {
      fork('main.mjs')
    }
  },
  'start a worker': () => import('node:worker_threads').then(({ Worker }) => new Worker('for(;;);', { eval: true })),
  'fork a cluster': () => import('node:cluster').then(({ default: cluster }) => cluster.fork()),
  'become another program': () => process.execve('/bin/sh', ['sh'], {}),
  'kill the node': () => process.kill(process.ppid, 0),
  'kill the node, the other way': () => process._kill(process.ppid, 0),
  'start an inspector in the node': () => process._debugProcess(process.ppid),
  'slow the node down': () => import('node:os').then((os) => os.setPriority(process.ppid, 19)),
  'become somebody else': () => process.setuid(65534),

  // ---- Node's insides
  'process.binding': () => process.binding('fs'),
  'process._linkedBinding': () => process._linkedBinding('fs'),
  'load an addon': () => process.dlopen({ exports: {} }, '/tmp/x.node'),
  'raise its own memory limit': () => import('node:v8').then((v8) => v8.setFlagsFromString('--max-old-space-size=8000')),
  'hook the loader': () => import('node:module').then(({ registerHooks }) => registerHooks({})),
  'open an inspector': () => import('node:inspector').then((inspector) => inspector.open(0)),
  WASI: () => import('node:wasi').then(({ WASI }) => new WASI({ version: 'preview1', preopens: { '/': '/' } })),
  FFI: () => import('node:ffi'),
  'another realm': () => import('node:vm').then((vm) => vm.runInNewContext('1')),
  'another module': () => import('./other.mjs'),
  'a module of its own making': () => import('data:text/javascript,export default 1'),
  'a prototype that says yes': () => {
    Object.prototype['node:sqlite'] = true
    Set.prototype.has = () => true
    String.prototype.startsWith = () => true
    try {
      return process.getBuiltinModule('node:sqlite').DatabaseSync.name
    } finally {
      delete Object.prototype['node:sqlite']
    }
  },
  'take the guard off': () => {
    Object.defineProperty(process, 'kill', { value: 1 })
  },

  // ---- network
  'connect by TCP': () => connect({ host: '127.0.0.1', port: 9 }),
  'connect to a socket of the file system': () => connect({ path: '/var/run/docker.sock' }),
  fetch: async () => {
    try {
      await fetch('http://127.0.0.1:9/')
    } catch (error) {
      throw error.cause?.code === 'ERR_ACCESS_DENIED' ? error.cause : new Error(`not denied: ${error.cause?.code}`)
    }
  },
  listen: () =>
    import('node:net').then(({ createServer }) => new Promise((resolve, reject) => createServer().on('error', reject).listen(0, resolve))),
  'send by UDP': () =>
    import('node:dgram').then(
      ({ createSocket }) =>
        new Promise((resolve, reject) => {
          const socket = createSocket('udp4')
          socket.on('error', reject)
          socket.send('x', 9, '127.0.0.1', (error) => (error == null ? resolve() : reject(error)))
        })
    ),
  'resolve a name': () => import('node:dns/promises').then((dns) => dns.lookup('localhost')),

  // ---- what it might find
  'an environment': () => {
    const names = Object.keys(process.env).filter((name) => !['TZ', 'LC_ALL', 'UV_THREADPOOL_SIZE'].includes(name))
    if (names.length === 0) {
      throw new Error('denied: there is nothing in it')
    }
  },

  // ---- ends
  exit: () => process.exit(0),
  'throw where nobody catches': async () => {
    setTimeout(() => {
      throw new Error('nobody catches this')
    })
    await never()
  },
  'reject where nobody catches': async () => {
    Promise.reject(new Error('nobody awaits this'))
    await never()
  },
  abort: () => process.abort(),
  loop: () => {
    for (;;);
  },
  'never return': never,
  'return when told to': (ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)),
  'a slow pattern': () => /^(a+)+$/.test(`${'a'.repeat(64)}b`),
  'fill the heap': () => {
    for (const held = []; ; ) {
      held.push(Array.from({ length: 10_000 }, (_, i) => ({ i })))
    }
  },
  'fill 8 GB of buffers': async () => {
    const held = []
    for (let i = 0; i < 8 * 64; i++) {
      held.push(Buffer.alloc(16 * 1024 * 1024, 1))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  },

  // ---- nonsense on the channel
  'a frame of 4 GB': async () => {
    raw(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2]))
    await never()
  },
  'a head of 16 MiB': async () => {
    raw(Buffer.from([1, 0, 0, 4, 1, 0, 0, 0]))
    await never()
  },
  'no JSON': async () => {
    raw(frame('{"kind":'))
    await never()
  },
  'an unknown kind': async () => {
    raw(frame('{"kind":"sign","key":"staking"}'))
    await never()
  },
  'an unknown request': async () => {
    raw(frame('{"kind":"request","id":1,"call":1,"method":"keys.get","args":{}}'))
    await never()
  },
  'a method of the prototype': async () => {
    raw(frame('{"kind":"request","id":1,"call":1,"method":"constructor","args":{}}'))
    await never()
  },
  'JSON 300,000 deep': async () => {
    raw(frame('['.repeat(300_000) + ']'.repeat(300_000)))
    await never()
  },
  'a flood of requests': async () => {
    for (let id = 1; ; id++) {
      raw(frame(JSON.stringify({ kind: 'request', id, call: 1, method: 'kv.get', args: { key: 'x' } })))
    }
  },
  'a flood of log lines': async (ctx) => {
    const text = createHash('sha256').digest('hex').repeat(60)
    for (;;) {
      ctx.log(text)
    }
  },
  'a flood of output': async () => {
    for (;;) {
      console.log('x'.repeat(1000))
    }
  },

  // ---- requests that the contract does not know
  'a value too large': (ctx) => ctx.kv.put('x', 'x'.repeat(64 * 1024 + 1)),
  'a value that is no text': (ctx) => ctx.kv.put('x', { a: 1 }),
  'more than the quota': async (ctx) => {
    for (let i = 0; i < 1000; i++) {
      await ctx.kv.put(`fill/${i}`, 'x'.repeat(64 * 1024))
    }
  },
  'a block too large': (ctx) => ctx.proofs.putNode({ a: 'x'.repeat(300 * 1024) }),
  'a link to nothing': (ctx) => ctx.proofs.putNode({ a: { '/': 'nothing' } }),
  'a file outside': (ctx) => ctx.proofs.putFiles([{ path: '../x', content: 'x' }]),
  'all blocks of K2': (ctx) => ctx.k2.getBlocks(0, 1e9)
}

/** The node's own test says which. */
export async function task(ctx) {
  await attacks[await ctx.kv.get('attack')](ctx)
}

const results = {
  'a value of 513 bytes': { value: 'x'.repeat(513), proofs: [] },
  'a value of 512 bytes in 171 characters': { value: '€'.repeat(171), proofs: [] },
  'a number': 7,
  nothing: undefined,
  'no proofs': { value: 'x' },
  'proofs that are no CIDs': { value: 'x', proofs: ['../../etc'] },
  'too many proofs': { value: 'x', proofs: Array(5).fill('bafkqaaa') },
  'half a character': { value: '\ud800', proofs: [] }
}

export async function submission(ctx) {
  return results[await ctx.kv.get('attack')] ?? { value: 'x'.repeat(512), proofs: [] }
}

export async function audit(ctx, { value }) {
  switch (value) {
    case 'loop':
      for (;;);
    case 'exit':
      await new Promise((resolve) => setTimeout(resolve, 100))
      process.exit(3)
      break
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, 300))
      return true
    case 'yes':
      return 'yes'
    case 'undefined':
      return undefined
    case 'put':
      return (await ctx.proofs.putNode({})) != null
    case 'long reason':
      return { valid: false, reason: 'x'.repeat(4097) }
    default:
      return value === 'good' || { valid: false, reason: `not good: ${value}` }
  }
}
