/// A pointer for several threads at once. Whoever makes one promises that while they use it, what it points to stays
/// where it is, and is only read, or each thread writes places of its own that no other reads.
///
/// What types that are given to threads hold the memory of others by, so that they need no `@unchecked` of their own. Those
/// that own their memory, `NodeArray` and `STARSource`, say so unchecked themselves: they write it while they are made only.
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
