import Dispatch

/// Runs loops on a fixed number of threads, each with a state of its own that lives from loop to loop
/// (plans, buffers); the calling thread takes part. Which thread does which item is left open, so the
/// work must give the same result on any of them.
///
/// The compiler checks the bodies: what they share they can only read (`@Sendable`), what they write is their
/// thread's state, or an item's own result or row. Of errors that they throw the one of the first item is passed on,
/// whichever came first: the same on any number of threads.
package struct WorkerPool<State> {
  @usableFromInline let workers: [Worker<State>]

  /// As many threads as `threads` says, but no more than there are items.
  @inlinable
  package init(threads: Int, items: Int = .max, state: () throws -> State) rethrows {
    workers = try (0..<max(1, min(threads, items))).map { _ in Worker(try state()) }
  }

  /// The number of threads.
  @inlinable package var count: Int { workers.count }

  /// Calls `body` for all of 0..<count.
  @inlinable
  package func forEach<Failure: Error>(
    _ count: Int, _ body: @Sendable (inout State, Int) throws(Failure) -> Void
  ) throws(Failure) {
    try run(count) { (state, _, item) throws(Failure) in try body(&state, item) }
  }

  /// Calls `body` for all of 0..<count, with what each thread writes to besides its state: one of `outputs` for each.
  @inlinable
  package func forEach<Output: AnyObject, Failure: Error>(
    _ count: Int, into outputs: [Output],
    _ body: @Sendable (inout State, Output, Int) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(outputs.count >= self.count, "an output for each thread")
    // Each thread takes its own.
    nonisolated(unsafe) let outputs = outputs
    try run(count) { (state, worker, item) throws(Failure) in
      try body(&state, outputs[worker], item)
    }
  }

  /// What `body` makes of each of 0..<count.
  @inlinable
  package func map<Result: Sendable, Failure: Error>(
    _ count: Int, _ body: @Sendable (inout State, Int) throws(Failure) -> Result
  ) throws(Failure) -> [Result] {
    var results = [Result?](repeating: nil, count: count)
    try forEachRow(0..<count, of: &results, width: 1) { (state, item, row) throws(Failure) in
      row[0] = try body(&state, item)
    }
    return results.map { $0! }
  }

  /// Calls `body` with each state, one after the other on the calling thread: for what threads have gathered.
  @inlinable
  package func forEachState(_ body: (inout State) throws -> Void) rethrows {
    for worker in workers { try body(&worker.state) }
  }

  /// Calls `body` for each item with its number, its thread's and the thread's state.
  @inlinable
  func run<Failure: Error>(
    _ count: Int, _ body: @Sendable (inout State, Int, Int) throws(Failure) -> Void
  ) throws(Failure) {
    let used = min(workers.count, count)
    if used <= 1 {
      if let failure = workers[0].run(0, of: 1, count, body) { throw failure.error }
      return
    }
    var failures = [Worker<State>.Failed<Failure>?](repeating: nil, count: used)
    failures.withUnsafeMutableBufferPointer { failures in
      // Each thread takes its own, and all are done when this returns.
      nonisolated(unsafe) let (workers, failures) = (workers, failures)
      DispatchQueue.concurrentPerform(iterations: used) { worker in
        failures[worker] = workers[worker].run(worker, of: used, count, body)
      }
    }
    let first = failures.compactMap { $0 }.min { $0.item < $1.item }
    if let first { throw first.error }
  }
}

extension WorkerPool<Void> {
  /// Threads without state.
  @inlinable
  package init(threads: Int, items: Int = .max) { self.init(threads: threads, items: items) {} }
}

/// One thread's state.
@usableFromInline
final class Worker<State> {
  @usableFromInline var state: State

  @inlinable
  init(_ state: State) { self.state = state }

  /// The first item for which the body threw, and what.
  @usableFromInline
  struct Failed<Failure: Error> {
    @usableFromInline let item: Int
    @usableFromInline let error: Failure

    @inlinable
    init(item: Int, error: Failure) { (self.item, self.error) = (item, error) }
  }

  /// Does every `workers`th item from its own number on, up to an error.
  @inlinable
  func run<Failure: Error>(
    _ worker: Int, of workers: Int, _ count: Int,
    _ body: (inout State, Int, Int) throws(Failure) -> Void
  ) -> Failed<Failure>? {
    for item in stride(from: worker, to: count, by: workers) {
      do throws(Failure) {
        try body(&state, worker, item)
      } catch {
        return Failed(item: item, error: error)
      }
    }
    return nil
  }
}
