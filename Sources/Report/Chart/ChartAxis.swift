import ClassAveraging
import Foundation

/// One axis of a chart: from values to places between 0 and 1, and where its marks are.
public struct ChartAxis: Sendable {
  /// How values become places.
  public enum Scale: Sendable {
    /// Equal steps are equal differences.
    case linear
    /// Equal steps are factors of two; values are above 0.
    case binary
  }

  /// What is written beside the axis.
  public let title: String
  /// How its values become places.
  public let scale: Scale
  /// The values at both ends.
  public let range: ClosedRange<Double>
  /// The values that have a mark: at most about a dozen.
  public let marks: [Double]
  /// Whether marks are written as percent.
  public let isPercent: Bool

  /// An axis that holds all of `values`, its ends at marks. Values that it cannot show are left out.
  public init(
    _ title: String, scale: Scale, holding values: [Double], isPercent: Bool = false
  ) {
    self.title = title
    self.scale = scale
    self.isPercent = isPercent
    let shown = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
    let (least, most) = (shown.min() ?? 0, shown.max() ?? 1)
    switch scale {
    case .binary:
      let low = shown.isEmpty ? 1 : exp2(log2(least).rounded(.down))
      let high = shown.isEmpty ? 2 : exp2(log2(most).rounded(.up))
      range = low...max(high, 2 * low)
      let octaves = Int(log2(range.upperBound / low).rounded())
      marks = stride(from: 0, through: octaves, by: max(1, (octaves + 12) / 13)).map {
        low * exp2(Double($0))
      }
    case .linear:
      let start = min(least, 0)
      let end = max(most, 0) > start ? max(most, 0) : start + 1
      let step = Self.step(for: end - start)
      let low = (start / step).rounded(.down) * step
      range = low...(end / step).rounded(.up) * step
      // Of the same step, though the range may be longer than the values.
      let count = Int(((range.upperBound - low) / step).rounded())
      marks = (0...count).map { low + Double($0) * step }
    }
  }

  /// Whether the axis can show a value.
  public func holds(_ value: Double) -> Bool { value.isFinite && range.contains(value) }

  /// 0 at the lower end, 1 at the upper.
  public func place(of value: Double) -> Double {
    switch scale {
    case .linear: (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    case .binary: log2(value / range.lowerBound) / log2(range.upperBound / range.lowerBound)
    }
  }

  /// A mark as text.
  public func label(_ value: Double) -> String {
    if isPercent { return String(format: "%g %%", (100 * value * 1e6).rounded() / 1e6) }
    let rounded = (value * 1e9).rounded() / 1e9
    return rounded.rounded() == rounded && abs(rounded) < 1e15
      ? Format.count(Int(rounded)) : String(format: "%g", rounded)
  }

  /// 1, 2 or 5 times a power of ten: about five steps for a length.
  private static func step(for length: Double) -> Double {
    let raw = length / 5
    let power = pow(10, log10(raw).rounded(.down))
    return [1, 2, 5, 10].first { $0 * power >= raw * 0.999 }! * power
  }
}
