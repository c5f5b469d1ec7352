/** Which listeners a process serves. */
export type ServingRole = 'api' | 'edge' | 'both'

/**
 * Who a process is among those on one data directory: what it serves, or which of several it is that serve the edge together.
 * What must outlive a crash and may be anybody's bears it, because each process recovers its own only.
 */
export type Member = ServingRole | `edge.${number}`
