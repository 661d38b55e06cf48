import ArgumentParser
import ClassAveraging
import Foundation
import ImageModel
import Report

/// Arguments that a run's record holds: all that are declared, under the names of their properties.
protocol RecordedArguments: ParsableArguments {
  /// What stands between the words of a name in the record.
  static var recordSeparator: String { get }
}

extension RecordedArguments {
  static var recordSeparator: String { "_" }

  /// Every argument in force, those of groups within it as well.
  var record: [String: JSONValue] {
    Mirror(reflecting: self).children.reduce(into: [:]) { record, child in
      if let group = child.value as? any RecordedGroup {
        record.merge(group.record) { $1 }
      } else if let argument = child.value as? any RecordedArgument, let label = child.label {
        // A wrapped property is stored under its name with an underscore before it.
        let name = label.trimmingPrefix("_")
        record[words(of: String(name), separator: Self.recordSeparator)] = argument.record
      }
    }
  }
}

/// The words of a property's name: search_budget of searchBudget, no_ctf of noCTF.
func words(of name: String, separator: String) -> String {
  name.replacing(/([a-z0-9])([A-Z])/) { "\($0.1)\(separator)\($0.2)" }.lowercased()
}

/// An argument as it is declared in a command.
private protocol RecordedArgument {
  var record: JSONValue { get }
}

extension Argument: RecordedArgument where Value: RecordedValue {
  var record: JSONValue { wrappedValue.record }
}

extension Option: RecordedArgument where Value: RecordedValue {
  var record: JSONValue { wrappedValue.record }
}

extension Flag: RecordedArgument where Value: RecordedValue {
  var record: JSONValue { wrappedValue.record }
}

private protocol RecordedGroup {
  var record: [String: JSONValue] { get }
}

extension OptionGroup: RecordedGroup where Value: RecordedArguments {
  var record: [String: JSONValue] { wrappedValue.record }
}

/// What an argument's value is in a run's record.
protocol RecordedValue {
  var record: JSONValue { get }
}

extension Bool: RecordedValue { var record: JSONValue { .bool(self) } }
extension Int: RecordedValue { var record: JSONValue { .integer(self) } }
extension UInt64: RecordedValue { var record: JSONValue { .integer(Int(clamping: self)) } }
extension Double: RecordedValue { var record: JSONValue { JSONValue(self) } }
extension String: RecordedValue { var record: JSONValue { .string(self) } }

extension Optional: RecordedValue where Wrapped: RecordedValue {
  var record: JSONValue { self?.record ?? .null }
}

extension RecordedValue where Self: RawRepresentable<String> {
  var record: JSONValue { .string(rawValue) }
}

extension SearchMethod: RecordedValue {}
extension ProbabilitySource: RecordedValue {}
extension NoiseChoice: RecordedValue {}
extension VectorDiffusionMap.Graph: RecordedValue {}
