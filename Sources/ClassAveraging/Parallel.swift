import Dispatch

/// Runs `body` for all of 0..<count on up to `threads` threads, each with a state of its own; the
/// calling thread takes part. Which thread does which item is left open, so `body` must give the same
/// result on any of them.
func parallelFor<State>(
  _ count: Int, threads: Int, state: () -> State, _ body: (inout State, Int) -> Void
) {
  let workers = max(1, min(threads, count))
  if workers == 1 {
    var own = state()
    for i in 0..<count { body(&own, i) }
    return
  }
  let states = (0..<workers).map { _ in state() }
  nonisolated(unsafe) let shared = states
  nonisolated(unsafe) let work = body
  DispatchQueue.concurrentPerform(iterations: workers) { worker in
    var own = shared[worker]
    for i in stride(from: worker, to: count, by: workers) { work(&own, i) }
  }
}
