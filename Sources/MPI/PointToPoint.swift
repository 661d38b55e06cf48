import COpenMPI
import CShims

/// A message under way. It must be waited for: the buffer belongs to MPI until then.
public struct Request: ~Copyable {
  private var raw: MPI_Request?
  private let traffic: Traffic

  init(_ raw: MPI_Request?, traffic: Traffic) {
    self.raw = raw
    self.traffic = traffic
  }

  /// Blocks until the message has arrived or its buffer may be used again.
  public consuming func wait() throws(MPIError) {
    try traffic.check(
      traffic.now(),
      MPI_Wait(&raw, kindred_status_ignore()),
      "MPI_Wait")
  }

  /// Whether the message is done; also lets MPI make progress while the caller computes.
  public mutating func test() throws(MPIError) -> Bool {
    var done: Int32 = 0
    try traffic.check(
      traffic.now(),
      MPI_Test(&raw, &done, kindred_status_ignore()),
      "MPI_Test")
    return done != 0
  }
}

extension Communicator {
  /// Starts sending `values` to `destination`; the buffer must live and stay unchanged until `wait`.
  public func startSend<T: MPIDatatype>(
    _ values: UnsafeBufferPointer<T>, to destination: Int, tag: MessageTag
  ) throws(MPIError) -> Request {
    var request: MPI_Request? = kindred_request_null()
    try traffic.check(
      traffic.now(),
      MPI_Isend(
        values.baseAddress, count32(values.count), T.mpiDatatype, Int32(destination), tag.rawValue,
        raw, &request),
      "MPI_Isend", bytes: values.count * MemoryLayout<T>.stride)
    return Request(request, traffic: traffic)
  }

  /// Starts receiving exactly `values.count` elements from `source` into a buffer that must live
  /// until `wait`.
  public func startReceive<T: MPIDatatype>(
    _ values: UnsafeMutableBufferPointer<T>, from source: Int, tag: MessageTag
  ) throws(MPIError) -> Request {
    var request: MPI_Request? = kindred_request_null()
    try traffic.check(
      traffic.now(),
      MPI_Irecv(
        values.baseAddress, count32(values.count), T.mpiDatatype, Int32(source), tag.rawValue, raw,
        &request),
      "MPI_Irecv")
    return Request(request, traffic: traffic)
  }

  /// Sends `values` to `destination` and returns when the buffer may be used again.
  public func send<T: MPIDatatype>(_ values: [T], to destination: Int, tag: MessageTag)
    throws(MPIError)
  {
    try traffic.check(
      traffic.now(),
      MPI_Send(
        values, count32(values.count), T.mpiDatatype, Int32(destination), tag.rawValue, raw),
      "MPI_Send", bytes: values.count * MemoryLayout<T>.stride)
  }

  /// Fills `values` with a message of at most its length from `source`; returns how many came.
  @discardableResult
  public func receive<T: MPIDatatype>(
    into values: UnsafeMutableBufferPointer<T>, from source: Int, tag: MessageTag
  ) throws(MPIError) -> Int {
    var status = MPI_Status()
    try traffic.check(
      traffic.now(),
      MPI_Recv(
        values.baseAddress, count32(values.count), T.mpiDatatype, Int32(source), tag.rawValue, raw,
        &status),
      "MPI_Recv")
    var count: Int32 = 0
    try check(MPI_Get_count(&status, T.mpiDatatype, &count), "MPI_Get_count")
    return Int(count)
  }
}
