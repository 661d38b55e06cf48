extension WorkerPool {
  /// Calls `body` for each of some rows of `elements` with its number and the row itself, which no other call has:
  /// row i is `width` elements from i * width on, the last one what is left.
  @inlinable
  package func forEachRow<Element: Sendable, Failure: Error>(
    _ rows: Range<Int>, of elements: UnsafeMutableBufferPointer<Element>, width: Int,
    _ body:
      @Sendable (inout State, Int, UnsafeMutableBufferPointer<Element>) throws(Failure) ->
      Void
  ) throws(Failure) {
    let elements = SharedPointer(elements)
    try forEach(rows.count) { (state, item) throws(Failure) in
      let row = rows.lowerBound + item
      try body(&state, row, elements.pointer.row(row, width: width))
    }
  }

  /// The same of an array.
  @inlinable
  package func forEachRow<Element: Sendable, Failure: Error>(
    _ rows: Range<Int>, of elements: inout [Element], width: Int,
    _ body:
      @Sendable (inout State, Int, UnsafeMutableBufferPointer<Element>) throws(Failure) ->
      Void
  ) throws(Failure) {
    try elements.withUnsafeMutableBufferPointer { (elements) throws(Failure) in
      try forEachRow(rows, of: elements, width: width, body)
    }
  }

  /// The same of two arrays: a row of each.
  @inlinable
  package func forEachRow<First: Sendable, Second: Sendable, Failure: Error>(
    _ rows: Range<Int>, of first: inout [First], _ second: inout [Second], width: Int,
    _ body:
      @Sendable (
        inout State, Int, UnsafeMutableBufferPointer<First>, UnsafeMutableBufferPointer<Second>
      ) throws(Failure) -> Void
  ) throws(Failure) {
    try second.withUnsafeMutableBufferPointer { (second) throws(Failure) in
      let second = SharedPointer(second)
      try forEachRow(rows, of: &first, width: width) { (state, row, first) throws(Failure) in
        try body(&state, row, first, second.pointer.row(row, width: width))
      }
    }
  }
}

extension UnsafeMutableBufferPointer {
  @inlinable
  func row(_ row: Int, width: Int) -> UnsafeMutableBufferPointer {
    UnsafeMutableBufferPointer(
      rebasing: self[Swift.min(row * width, count)..<Swift.min((row + 1) * width, count)])
  }
}
