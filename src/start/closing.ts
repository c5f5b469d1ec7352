/** Milliseconds that work without a client has left when everything closes. A large picture takes a second or two. */
export const lastGrace = 5_000

/**
 * What is opened step by step, and closed in the reverse order, also when a later step of the opening fails.
 * @param open is given what takes the step that undoes each of its own
 */
export async function openInSteps<T>(
  open: (onClose: (step: () => unknown) => void) => Promise<T>,
): Promise<{ readonly opened: T; readonly close: () => Promise<void> }> {
  const steps: (() => unknown)[] = []
  const close = async () => {
    for (const step of steps.splice(0).reverse()) await step()
  }
  try {
    return { opened: await open(step => steps.push(step)), close }
  } catch (error) {
    await close()
    throw error
  }
}
