/// An observer of stages that are part of something larger, which their names begin with.
final class PrefixedObserver: StageObserver {
  private let prefix: String
  private let observer: any StageObserver

  init(_ prefix: String, _ observer: any StageObserver) {
    self.prefix = prefix
    self.observer = observer
  }

  func stageBegan(_ name: String, items: Int) {
    observer.stageBegan("\(prefix) \(name)", items: items)
  }
  func stageAdvanced(to done: Int) { observer.stageAdvanced(to: done) }
  func communicating<R>(_ body: () throws -> R) rethrows -> R {
    try observer.communicating(body)
  }
  func stageEnded() { observer.stageEnded() }
}
