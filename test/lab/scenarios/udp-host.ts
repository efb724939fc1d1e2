/** A host that sends and hears datagrams on a port: `{to, text}` lines in; `{sent}` or `{failed}`, and `{from, text}` lines out. */
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const port = Number(process.argv[2])
const tell = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const socket = createSocket('udp4')
socket.on('message', (bytes, { address }) => tell({ from: address, text: bytes.toString() }))
socket.bind(port, '0.0.0.0', () => tell({ bound: port }))
createInterface({ input: process.stdin }).on('line', (line) => {
  const { to, text } = JSON.parse(line)
  socket.send(text, port, to, (err) => tell(err == null ? { sent: text } : { failed: text, reason: err.message }))
})
