import COpenMPI
import CShims

/// Messages longer than this are sent in pieces: MPI's counts are 32-bit.
private let piece = 1 << 28

extension Communicator {
  /// Combines `values` elementwise over the ranks; every rank gets the result in place.
  public func allreduce<T: MPIDatatype>(
    _ values: UnsafeMutableBufferPointer<T>, _ operation: ReduceOperation = .sum
  ) throws(MPIError) {
    var start = 0
    while start < values.count {
      let length = min(piece, values.count - start)
      try traffic.check(
        traffic.now(),
        MPI_Allreduce(
          kindred_in_place(), values.baseAddress! + start, count32(length), T.mpiDatatype,
          operation.raw, raw),
        "MPI_Allreduce", bytes: size > 1 ? length * MemoryLayout<T>.stride : 0)
      start += length
    }
  }

  /// Combines `values` elementwise over the ranks; every rank gets the result in place.
  public func allreduce<T: MPIDatatype>(_ values: inout [T], _ operation: ReduceOperation = .sum)
    throws(MPIError)
  {
    let result = values.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(MPIError) in try allreduce(buffer, operation) }
    }
    try result.get()
  }

  /// The combination of every rank's `value`.
  public func allreduce<T: MPIDatatype>(_ value: T, _ operation: ReduceOperation = .sum)
    throws(MPIError) -> T
  {
    var values = [value]
    try allreduce(&values, operation)
    return values[0]
  }

  /// Copies `values` of `root` to every rank, in place; the counts agree beforehand.
  public func broadcast<T: MPIDatatype>(_ values: UnsafeMutableBufferPointer<T>, root: Int = 0)
    throws(MPIError)
  {
    var start = 0
    while start < values.count {
      let length = min(piece, values.count - start)
      let copies = rank == root ? size - 1 : 0
      try traffic.check(
        traffic.now(),
        MPI_Bcast(values.baseAddress! + start, count32(length), T.mpiDatatype, Int32(root), raw),
        "MPI_Bcast", bytes: copies * length * MemoryLayout<T>.stride)
      start += length
    }
  }

  /// Every rank's copy of the array that `root` holds; other ranks' arguments are ignored.
  public func broadcast<T: MPIDatatype>(_ values: [T], root: Int = 0) throws(MPIError) -> [T] {
    var count = [values.count]
    try broadcastInPlace(&count, root: root)
    if rank == root {
      var copy = values
      try broadcastInPlace(&copy, root: root)
      return copy
    }
    return try Array(unsafeCapacity: count[0]) { (buffer) throws(MPIError) in
      try broadcast(buffer, root: root)
    }
  }

  /// Every rank's copy of the string that `root` holds.
  public func broadcast(_ text: String, root: Int = 0) throws(MPIError) -> String {
    String(decoding: try broadcast(Array(text.utf8), root: root), as: UTF8.self)
  }

  private func broadcastInPlace<T: MPIDatatype>(_ values: inout [T], root: Int) throws(MPIError) {
    let result = values.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(MPIError) in try broadcast(buffer, root: root) }
    }
    try result.get()
  }

  /// The ranks' equally long arrays one after the other, on every rank.
  public func allgather<T: MPIDatatype>(_ values: [T]) throws(MPIError) -> [T] {
    try Array(unsafeCapacity: values.count * size) { (buffer) throws(MPIError) in
      try traffic.check(
        traffic.now(),
        MPI_Allgather(
          values, count32(values.count), T.mpiDatatype, buffer.baseAddress,
          count32(values.count), T.mpiDatatype, raw),
        "MPI_Allgather", bytes: size > 1 ? values.count * MemoryLayout<T>.stride : 0)
    }
  }

  /// The ranks' arrays, of any lengths, one after the other in rank order, on every rank.
  public func allgatherRagged<T: MPIDatatype>(_ values: [T]) throws(MPIError) -> [T] {
    let layout = Ragged(counts: try allgather([values.count]))
    return try Array(unsafeCapacity: layout.total) { (buffer) throws(MPIError) in
      try traffic.check(
        traffic.now(),
        MPI_Allgatherv(
          values, count32(values.count), T.mpiDatatype, buffer.baseAddress, layout.counts,
          layout.offsets, T.mpiDatatype, raw),
        "MPI_Allgatherv", bytes: size > 1 ? values.count * MemoryLayout<T>.stride : 0)
    }
  }

  /// The ranks' arrays, of any lengths, in rank order on `root`; empty elsewhere.
  public func gatherRagged<T: MPIDatatype>(_ values: [T], root: Int = 0) throws(MPIError) -> [T] {
    let layout = Ragged(counts: try allgather([values.count]))
    return try Array(unsafeCapacity: rank == root ? layout.total : 0) { (buffer) throws(MPIError) in
      try traffic.check(
        traffic.now(),
        MPI_Gatherv(
          values, count32(values.count), T.mpiDatatype, buffer.baseAddress, layout.counts,
          layout.offsets, T.mpiDatatype, Int32(root), raw),
        "MPI_Gatherv", bytes: rank == root ? 0 : values.count * MemoryLayout<T>.stride)
    }
  }

  /// Rank r gets `counts[r]` elements of `root`'s array; `counts` is known on every rank.
  public func scatterRagged<T: MPIDatatype>(_ values: [T], counts: [Int], root: Int = 0)
    throws(MPIError) -> [T]
  {
    let layout = Ragged(counts: counts)
    precondition(rank != root || values.count == layout.total, "scatter: counts do not add up")
    return try Array(unsafeCapacity: counts[rank]) { (buffer) throws(MPIError) in
      let sent = rank == root ? layout.total - counts[root] : 0
      try traffic.check(
        traffic.now(),
        MPI_Scatterv(
          values, layout.counts, layout.offsets, T.mpiDatatype, buffer.baseAddress,
          count32(counts[rank]), T.mpiDatatype, Int32(root), raw),
        "MPI_Scatterv", bytes: sent * MemoryLayout<T>.stride)
    }
  }

  /// Sends `counts[r]` elements of `values` to rank r; returns what came from each rank, in rank
  /// order, and how many from each.
  public func alltoallRagged<T: MPIDatatype>(_ values: [T], counts: [Int]) throws(MPIError)
    -> (values: [T], counts: [Int])
  {
    precondition(counts.count == size && counts.reduce(0, +) == values.count)
    let incoming = try Array<Int>(unsafeCapacity: size) { (buffer) throws(MPIError) in
      try traffic.check(
        traffic.now(),
        MPI_Alltoall(counts, 1, Int.mpiDatatype, buffer.baseAddress, 1, Int.mpiDatatype, raw),
        "MPI_Alltoall", bytes: (size - 1) * MemoryLayout<Int>.stride)
    }
    let send = Ragged(counts: counts)
    let receive = Ragged(counts: incoming)
    let received = try Array<T>(unsafeCapacity: receive.total) { (buffer) throws(MPIError) in
      try traffic.check(
        traffic.now(),
        MPI_Alltoallv(
          values, send.counts, send.offsets, T.mpiDatatype, buffer.baseAddress, receive.counts,
          receive.offsets, T.mpiDatatype, raw),
        "MPI_Alltoallv", bytes: (values.count - counts[rank]) * MemoryLayout<T>.stride)
    }
    return (received, incoming)
  }
}

/// Counts and displacements of a ragged collective.
private struct Ragged {
  let counts: [Int32]
  let offsets: [Int32]
  let total: Int

  init(counts: [Int]) {
    self.counts = counts.map(count32)
    var sum = 0
    offsets = counts.map { count in
      defer { sum += count }
      return count32(sum)
    }
    total = sum
  }
}

extension Array where Element: MPIDatatype {
  /// An array whose elements `fill` writes, all of them, without a first pass of zeros.
  fileprivate init(
    unsafeCapacity count: Int,
    _ fill: (UnsafeMutableBufferPointer<Element>) throws(MPIError) -> Void
  ) throws(MPIError) {
    var failure: MPIError?
    self.init(unsafeUninitializedCapacity: count) { buffer, initialised in
      do throws(MPIError) {
        try fill(UnsafeMutableBufferPointer(rebasing: buffer.prefix(count)))
      } catch {
        failure = error
      }
      initialised = count
    }
    if let failure { throw failure }
  }
}
