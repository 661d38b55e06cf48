/// An observer of stages that are part of something larger, which their names begin with.
package final class PrefixedObserver: StageObserver {
  private let prefix: String
  private let observer: any StageObserver

  package init(_ prefix: String, _ observer: any StageObserver) {
    self.prefix = prefix
    self.observer = observer
  }

  package func stageBegan(_ name: String, items: Int) {
    observer.stageBegan(StageName.stage(name, of: prefix), items: items)
  }
  package func stageAdvanced(to done: Int) throws { try observer.stageAdvanced(to: done) }
  package func communicating<R>(_ body: () throws -> R) rethrows -> R {
    try observer.communicating(body)
  }
  package func stageEnded() { observer.stageEnded() }
}
