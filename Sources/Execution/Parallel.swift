import Dispatch

/// Runs loops on a fixed number of threads, each with a state of its own that lives from loop to loop
/// (plans, buffers); the calling thread takes part. Which thread does which item is left open, so the
/// work must give the same result on any of them.
package struct WorkerPool<State> {
  private let states: [State]

  package init(count: Int, state: () -> State) {
    states = (0..<max(1, count)).map { _ in state() }
  }

  /// The number of threads.
  package var count: Int { states.count }

  /// Calls `body` for all of 0..<count.
  package func forEach(_ count: Int, _ body: (State, Int) -> Void) {
    forEachNumbered(count) { state, _, i in body(state, i) }
  }

  /// What `body` makes of each of 0..<count.
  package func map<Result>(_ count: Int, _ body: (State, Int) -> Result) -> [Result] {
    var results = [Result?](repeating: nil, count: count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      forEach(count) { state, i in results[i] = body(state, i) }
    }
    return results.map { $0! }
  }

  /// Calls `body` for all of 0..<count, with the number of the thread as well.
  package func forEachNumbered(_ count: Int, _ body: (State, Int, Int) -> Void) {
    let workers = min(states.count, count)
    if workers <= 1 {
      for i in 0..<count { body(states[0], 0, i) }
      return
    }
    nonisolated(unsafe) let states = states
    nonisolated(unsafe) let body = body
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for i in stride(from: worker, to: count, by: workers) { body(states[worker], worker, i) }
    }
  }
}

/// One loop on a pool of its own.
package func parallelFor<State>(
  _ count: Int, threads: Int, state: () -> State, _ body: (State, Int) -> Void
) {
  WorkerPool(count: min(threads, max(1, count)), state: state).forEach(count, body)
}
