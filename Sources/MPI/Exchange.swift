/// An array on its way to one rank while another one comes from a rank: both move whenever the caller lets MPI
/// get on, so that it can compute meanwhile.
public final class Exchange<T: MPIDatatype> {
  private let outgoing: UnsafeMutableBufferPointer<T>
  private let incoming: UnsafeMutableBufferPointer<T>
  private var sending: Request?
  private var receiving: Request?

  /// - Parameters:
  ///   - values: for rank `destination`.
  ///   - destination: the rank that `values` go to.
  ///   - count: how many come from rank `source`, exactly.
  ///   - source: the rank that values come from.
  ///   - tag: what these messages are about.
  ///   - comm: the ranks that `destination` and `source` number.
  public init(
    _ values: [T], to destination: Int, count: Int, from source: Int, tag: MessageTag,
    on comm: Communicator
  ) throws(MPIError) {
    outgoing = .allocate(capacity: values.count)
    incoming = .allocate(capacity: count)
    _ = outgoing.initialize(fromContentsOf: values)
    receiving = try comm.startReceive(incoming, from: source, tag: tag)
    sending = try comm.startSend(UnsafeBufferPointer(outgoing), to: destination, tag: tag)
  }

  deinit {
    // After an error a message may be under way still: its memory stays MPI's.
    if sending == nil { outgoing.deallocate() }
    if receiving == nil { incoming.deallocate() }
  }

  /// Whether what comes is there; lets MPI get on.
  public func hasArrived() throws(MPIError) -> Bool {
    if try receiving?.test() == true { receiving = nil }
    if try sending?.test() == true { sending = nil }
    return receiving == nil
  }

  /// Whether nothing is under way any more; lets MPI get on.
  public func isOver() throws(MPIError) -> Bool { try hasArrived() && sending == nil }

  /// What came; it must have arrived.
  public var received: [T] {
    precondition(receiving == nil, "it has arrived")
    return Array(incoming)
  }

  /// Waits until nothing is under way any more; what came.
  public func wait() throws(MPIError) -> [T] {
    try receiving.take()?.wait()
    try sending.take()?.wait()
    return received
  }
}
