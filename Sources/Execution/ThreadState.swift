import Foundation

/// A value that a thread changes in place.
package final class Box<Value> {
  package var value: Value
  package init(_ value: Value) { self.value = value }
}

/// The first error of a loop on several threads.
package final class FailureBox: @unchecked Sendable {
  private let lock = NSLock()
  private var first: (any Error)?

  package init() {}

  package func record(_ error: any Error) { lock.withLock { if first == nil { first = error } } }
  package func rethrow() throws { if let first { throw first } }
}
