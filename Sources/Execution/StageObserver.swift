import MPI

/// Is told how far a run has come: the library itself never prints.
///
/// Every rank calls its own observer, in the same order of stages on all ranks. Stages follow one
/// another; they are not nested.
public protocol StageObserver: AnyObject {
  /// A stage of `items` pieces of work on this rank begins; 0 where they cannot be counted.
  func stageBegan(_ name: String, items: Int)
  /// `done` of the stage's items are done on this rank. Cheap enough for every item.
  /// - Throws: what ends the stage here, such as an `Interruption`; whoever calls this passes it on.
  func stageAdvanced(to done: Int) throws
  /// Runs `body`, a stretch of communication with other ranks or of waiting for them, and counts its
  /// time as such.
  func communicating<R>(_ body: () throws -> R) rethrows -> R
  /// The stage that began last is over on this rank.
  func stageEnded()
}

/// An observer that does nothing.
public final class SilentObserver: StageObserver {
  /// Has no state.
  public init() {}
  public func stageBegan(_ name: String, items: Int) {}
  public func stageAdvanced(to done: Int) {}
  public func communicating<R>(_ body: () throws -> R) rethrows -> R { try body() }
  public func stageEnded() {}
}

/// Passes on what it is told, and ends the run where it was asked to stop: for stages that leave nothing to go
/// on from.
package final class StoppingObserver: StageObserver {
  private let observer: any StageObserver
  private let stop: StopRequest

  package init(_ observer: any StageObserver, stop: StopRequest) {
    self.observer = observer
    self.stop = stop
  }

  package func stageBegan(_ name: String, items: Int) { observer.stageBegan(name, items: items) }
  /// - Throws: `Interruption`, on this rank alone, which ends the job (`Universe.run`).
  package func stageAdvanced(to done: Int) throws {
    try stop.throwIfAsked()
    try observer.stageAdvanced(to: done)
  }
  package func communicating<R>(_ body: () throws -> R) rethrows -> R {
    try observer.communicating(body)
  }
  package func stageEnded() { observer.stageEnded() }
}
