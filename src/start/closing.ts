/** Milliseconds that work without a client has left when everything closes. A large picture takes a second or two. */
export const lastGrace = 5_000
