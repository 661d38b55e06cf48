import COpenMPI
import CShims

/// An error code that an MPI function returned.
public struct MPIError: Error, CustomStringConvertible, Sendable {
  /// The function that failed, such as `MPI_Allreduce`.
  public let function: String
  /// The library's error code.
  public let code: Int32

  public var description: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    let bytes = text.prefix(Int(length)).map { UInt8(bitPattern: $0) }
    return "\(function) failed: \(String(decoding: bytes, as: UTF8.self)) (code \(code))"
  }
}

/// The funnel through which every MPI call of this module goes.
func check(_ code: Int32, _ function: String) throws(MPIError) {
  if code != MPI_SUCCESS { throw MPIError(function: function, code: code) }
}

/// MPI counts are 32-bit; a larger count is a broken invariant of the caller, who sends in pieces.
func count32(_ count: Int) -> Int32 {
  precondition(count <= Int(Int32.max), "an MPI message of \(count) elements: send it in pieces")
  return Int32(count)
}
