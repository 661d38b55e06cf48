/// Memory for messages, one after the other, that travel while the caller computes.
public final class MessageBuffer<T: MPIDatatype> {
  private let memory: UnsafeMutableBufferPointer<T>
  private var count = 0
  private var request: Request?

  /// Room for messages of at most `capacity` elements.
  public init(capacity: Int) {
    memory = .allocate(capacity: capacity)
  }

  deinit {
    // After an error a message may be under way still: its memory stays MPI's.
    if request == nil { memory.deallocate() }
  }

  /// Waits for the message before, then starts to send a copy of `values` to `destination`.
  public func send(_ values: [T], to destination: Int, on comm: Communicator) throws(MPIError) {
    try wait()
    count = values.count
    _ = memory.initialize(fromContentsOf: values)
    request = try comm.startSend(UnsafeBufferPointer(content), to: destination)
  }

  /// Waits for the message before, then starts to receive exactly `count` elements from `source`.
  public func receive(_ count: Int, from source: Int, on comm: Communicator) throws(MPIError) {
    try wait()
    self.count = count
    request = try comm.startReceive(content, from: source)
  }

  /// Waits until nothing is under way any more.
  public func wait() throws(MPIError) { try request.take()?.wait() }

  /// What came last; it must have been waited for. Valid until the next message.
  public var received: UnsafeBufferPointer<T> {
    precondition(request == nil, "it has arrived")
    return UnsafeBufferPointer(content)
  }

  private var content: UnsafeMutableBufferPointer<T> {
    UnsafeMutableBufferPointer(rebasing: memory[..<count])
  }
}
