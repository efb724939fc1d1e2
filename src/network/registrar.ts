import type { Registrar } from '@libp2p/interface-internal'

/**
 * A registrar that does what another one does, but for what `own` does in its place. libp2p's is an instance of a class, whose methods a
 * spread would lose; and each is looked up when it is called, as others replace some of them later.
 */
export function registrarOver(registrar: Registrar, own: Partial<Registrar>): Registrar {
  return {
    getProtocols: () => registrar.getProtocols(),
    getHandler: (protocol) => registrar.getHandler(protocol),
    getTopologies: (protocol) => registrar.getTopologies(protocol),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: (protocol) => registrar.unuse(protocol),
    getMiddleware: (protocol) => registrar.getMiddleware(protocol),
    handle: (protocol, handler, options) => registrar.handle(protocol, handler, options),
    unhandle: (protocols, options) => registrar.unhandle(protocols, options),
    register: (protocol, topology, options) => registrar.register(protocol, topology, options),
    unregister: (id) => registrar.unregister(id),
    ...own
  }
}
