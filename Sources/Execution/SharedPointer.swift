/// A pointer for several threads at once. Whoever makes one promises that while they use it, what it points to stays
/// where it is, and is only read, or each thread writes places of its own that no other reads.
///
/// The only type that says so unchecked: types that hold memory for threads hold it by one of these.
package struct SharedPointer<Pointer>: @unchecked Sendable {
  /// What it is.
  package let pointer: Pointer

  /// Memory that threads read.
  @inlinable
  package init<Element: Sendable>(_ pointer: Pointer) where Pointer == UnsafePointer<Element> {
    self.init(promised: pointer)
  }

  /// Memory that threads read.
  @inlinable
  package init<Element: Sendable>(_ pointer: Pointer)
  where Pointer == UnsafeBufferPointer<Element> {
    self.init(promised: pointer)
  }

  /// Memory that threads read, or each a part of which it writes.
  @inlinable
  package init<Element: Sendable>(_ pointer: Pointer)
  where Pointer == UnsafeMutablePointer<Element> {
    self.init(promised: pointer)
  }

  /// Memory that threads read, or each a part of which it writes.
  @inlinable
  package init<Element: Sendable>(_ pointer: Pointer)
  where Pointer == UnsafeMutableBufferPointer<Element> {
    self.init(promised: pointer)
  }

  @usableFromInline
  init(promised pointer: Pointer) { self.pointer = pointer }
}
