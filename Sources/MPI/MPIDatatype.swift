import COpenMPI
import CShims

/// A type whose values travel between ranks as they lie in memory.
public protocol MPIDatatype: BitwiseCopyable {
  /// The matching MPI handle.
  static var mpiDatatype: MPI_Datatype { get }
}

extension Int8: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_int8() } }
extension UInt8: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_uint8() } }
extension Int32: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_int32() } }
extension UInt32: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_uint32() } }
extension Int64: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_int64() } }
extension UInt64: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_uint64() } }
extension Int: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_int64() } }
extension Float: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_float() } }
extension Double: MPIDatatype { public static var mpiDatatype: MPI_Datatype { kindred_double() } }

/// How `allreduce` and `reduce` combine the ranks' values.
public enum ReduceOperation: Sendable {
  /// The sum, the largest or the smallest of them.
  case sum, maximum, minimum

  var raw: MPI_Op {
    switch self {
    case .sum: kindred_sum()
    case .maximum: kindred_max()
    case .minimum: kindred_min()
    }
  }
}
