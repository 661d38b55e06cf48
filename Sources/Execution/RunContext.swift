import MPI

/// What every stage of a run works with: the ranks, the threads of each, and who is told how far it has come.
package struct RunContext {
  /// The ranks that take part.
  package let comm: Communicator
  /// Threads of each rank.
  package let threads: Int
  /// Is told of stages and their progress.
  package let observer: any StageObserver

  package init(comm: Communicator, threads: Int, observer: any StageObserver) {
    self.comm = comm
    self.threads = threads
    self.observer = observer
  }

  /// The same with another observer.
  package func observed(by observer: any StageObserver) -> RunContext {
    RunContext(comm: comm, threads: threads, observer: observer)
  }

  /// The same for stages that leave no checkpoint: they end at once when the run is asked to stop.
  package func stoppable(by stop: StopRequest?) -> RunContext {
    stop.map { observed(by: StoppingObserver(observer, stop: $0)) } ?? self
  }
}
