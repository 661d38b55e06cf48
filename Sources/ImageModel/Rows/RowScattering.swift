import MPI

extension Partition {
  /// Hands rows of numbers, one an image, to the ranks that own the images.
  ///
  /// Every rank offers the rows of consecutive images, whichever they are, or none. Collective.
  /// - Parameters:
  ///   - first: the image of the first row; values: rows of `width` elements.
  ///   - take: called for every row of an image that this rank owns.
  /// - Throws: `MPIError`, and what `take` throws.
  package func scatter<T: MPIDatatype>(
    first: Int, values: [T], width: Int, on comm: Communicator,
    take: (_ image: Int, _ row: ArraySlice<T>) throws -> Void
  ) throws {
    precondition(width > 0)
    let offered = first..<first + values.count / width
    let all = try comm.allgather([offered.lowerBound, offered.upperBound])
    let counts = (0..<parts).map { offered.clamped(to: range(of: $0)).count * width }
    let received = try comm.alltoallRagged(values, counts: counts).values
    let own = range(of: comm.rank)
    var at = 0
    for rank in 0..<parts {
      for image in (all[2 * rank]..<all[2 * rank + 1]).clamped(to: own) {
        try take(image, received[at..<at + width])
        at += width
      }
    }
  }
}
