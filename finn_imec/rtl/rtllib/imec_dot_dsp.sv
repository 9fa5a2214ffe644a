/****************************************************************************
 * @brief	Dot products of PE channels in DSP slices, several channels per slice.
 *
 * @description
 *	y[p] = sum_lanes a*w[p]  +  CHAINS*BIAS
 *
 *	A slice multiplies the activation of one lane by the weights of FIELDS channels,
 *	SPACING bits apart: their codes minus their signs, which the pre-adder subtracts.
 *	Slices cascade into CHAINS chains, each over every CHAINS-th lane. The sums of a
 *	chain are packed side by side:
 *
 *	             SPACING   SPACING   SPACING
 *	            +---------+---------+---------+
 *	  weights   |      w2 |      w1 |      w0 |   code - 2^W_BITS*sign each
 *	            +---------+---------+---------+
 *	  chain     | a*w2+B  | a*w1+B  | a*w0+B  |   B = BIAS, the start value of the chain
 *	            +---------+---------+---------+
 *	                       <-FIELD_BITS
 *
 *	BIAS keeps each sum within 0 to 2^FIELD_BITS - 1, so that none borrows from the
 *	next and all are read in place. finn_imec/layer/packing.py chooses BIAS and CHAINS
 *	from the range of a chain's dot products.
 *
 *	CENTRED multiplies unsigned activations minus 2^(A_BITS-1), which halves the range
 *	of the sums; the rest, 2^(A_BITS-1)*sum w[p], is constant for a whole window.
 *
 *	The chains' sums are added by imec_sum, those of more than four chains by imec_heap_sum.
 *
 *	With LANES = 3, a slice adds the products of three adjacent lanes instead, for one
 *	channel: the INT8 mode of DSP58.
 *
 *	A sum moves one slice per step, so the factors of a slice must arrive
 *	imec_pkg::place steps late, more the further down the chain it is. The slice itself
 *	adds the odd step, shift registers all other steps of the activations; weights must
 *	arrive imec_pkg::weight_delay steps late.
 *
 *	y belongs to inputs from imec_pkg::dsp_steps cycles with en high before.
 ***************************************************************************/
module imec_dot_dsp import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,

	int unsigned  FIELDS,
	int unsigned  SPACING,
	int unsigned  FIELD_BITS,
	int unsigned  CHAINS,
	logic [47:0]  BIAS,
	bit  CENTRED = 0,
	int unsigned  LANES = 1,
	int unsigned  VERSION = 1,	// of the DSP slice, see imec_pkg
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = FIELD_BITS + $clog2(CHAINS)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,
	output	logic [PE-1:0][Y_BITS-1:0]  y
);
	localparam bit  SIGNED = A_SIGNED || CENTRED;
	localparam int unsigned  SLICES = (SIMD + LANES-1) / LANES;
	localparam int unsigned  W_PORT = dsp_w_bits(VERSION);
	localparam int unsigned  A_PORT = dsp_a_bits(VERSION);
	localparam int unsigned  P_BITS = dsp_p_bits(VERSION);
	if(VERSION < 1 || VERSION > 3)  $error("VERSION=%0d must be 1 to 3.", VERSION);
	if(CHAINS < 1 || CHAINS > SLICES)  $error("CHAINS=%0d must be 1 to %0d, a channel's slices.", CHAINS, SLICES);
	if(FIELD_BITS > SPACING)  $error("FIELD_BITS=%0d exceeds SPACING=%0d.", FIELD_BITS, SPACING);
	if((FIELDS-1)*SPACING + FIELD_BITS > P_BITS) begin : genTop
		$error("FIELDS=%0d of FIELD_BITS=%0d exceed the sum's %0d bits.", FIELDS, FIELD_BITS, P_BITS);
	end : genTop
	if(LANES == 1) begin : genPorts
		if(A_BITS + 32'(!A_SIGNED) > A_PORT)  $error("A_BITS=%0d exceeds the multiplier's %0d bits.", A_BITS, A_PORT);
		if((FIELDS-1)*SPACING + W_BITS + 32'(!W_SIGNED) > W_PORT) begin : genWide
			$error("FIELDS=%0d of SPACING=%0d exceed the multiplier's %0d bits.", FIELDS, SPACING, W_PORT);
		end : genWide
	end : genPorts
	else begin : genDotPorts
		if(LANES != 3 || VERSION != 3 || FIELDS != 1)  $error("LANES=%0d must be 1, or 3 with VERSION 3 and FIELDS 1.", LANES);
		if(A_BITS + 32'(!SIGNED) > 9 || W_BITS + 32'(!W_SIGNED) > 8)
			$error("A_BITS=%0d and W_BITS=%0d exceed the multipliers' 9 and 8 bits.", A_BITS, W_BITS);
	end : genDotPorts

	function automatic logic [P_BITS-1:0] biases();
		automatic logic [P_BITS-1:0]  c = '0;
		for(int unsigned  f = 0; f < FIELDS; f++)  c |= P_BITS'(BIAS) << f*SPACING;
		return  c;
	endfunction : biases

	uwire [SIMD-1:0][A_BITS-1:0]  al;	// each lane weight_delay steps late
	for(genvar  l = 0; l < SIMD; l++) begin : genLane
		uwire [A_BITS-1:0]  centred = a[l] ^ (A_BITS'(CENTRED) << (A_BITS-1));
		imec_delay #(.WIDTH(A_BITS), .STEPS(weight_delay(SIMD, CHAINS*LANES, l))) skew(.clk, .en, .d(centred), .q(al[l]));
	end : genLane

	localparam int unsigned  COLUMNS = (PE + FIELDS-1) / FIELDS;
	uwire [SLICES+CHAINS-1:0][COLUMNS-1:0][P_BITS-1:0]  cascade;	// from slice to slice
	assign	cascade[SLICES +: CHAINS] = '0;
	uwire [PE-1:0][CHAINS-1:0][FIELD_BITS-1:0]  sums;
	for(genvar  s = 0; s < SLICES; s++) begin : genSlice
		localparam bit  HEAD = s + CHAINS >= SLICES;
		localparam bit  LATE = 1'(place(SIMD, CHAINS*LANES, s*LANES) % 2);
		for(genvar  c = 0; c < COLUMNS; c++) begin : genColumn
			localparam int unsigned  USED = c < COLUMNS-1? FIELDS : PE - c*FIELDS;
			uwire [P_BITS-1:0]  p;
			if(LANES == 1) begin : genProduct
				logic [W_PORT-1:0]  codes, signs;
				always_comb begin
					codes = '0;
					signs = '0;
					for(int unsigned  f = 0; f < USED; f++) begin
						automatic logic [W_BITS-1:0]  wl = w[c*FIELDS + f][s];
						codes |= W_PORT'(wl) << f*SPACING;
						// A sign beyond the port is dropped
						signs |= W_PORT'(W_SIGNED && wl[W_BITS-1]) << (f*SPACING + W_BITS);
					end
				end
				imec_dsp48 #(.VERSION(VERSION), .HEAD(HEAD), .LATE(LATE), .C(biases()), .PRIMITIVES(PRIMITIVES)) slice(
					.clk, .en,
					.d(codes), .a(signs), .b({ {(A_PORT-A_BITS){SIGNED && al[s][A_BITS-1]}}, al[s] }),
					.pcin(cascade[s + CHAINS][c]), .p, .pcout(cascade[s][c])
				);
			end : genProduct
			else begin : genDot
				logic [2:0][8:0]  ax;
				logic [2:0][7:0]  wx;
				always_comb begin
					ax = '0;
					wx = '0;
					for(int unsigned  l = 0; l < 3 && s*LANES + l < SIMD; l++) begin
						automatic logic [A_BITS-1:0]  an = al[s*LANES + l];
						automatic logic [W_BITS-1:0]  wn = w[c][s*LANES + l];
						ax[l] = 9'(signed'({ SIGNED && an[A_BITS-1], an }));
						wx[l] = 8'(signed'({ W_SIGNED && wn[W_BITS-1], wn }));
					end
				end
				imec_dsp58 #(.HEAD(HEAD), .LATE(LATE), .C(biases()), .PRIMITIVES(PRIMITIVES)) slice(
					.clk, .en, .a(ax), .w(wx), .pcin(cascade[s + CHAINS][c]), .p, .pcout(cascade[s][c])
				);
			end : genDot
			if(s < CHAINS) begin : genTail
				for(genvar  f = 0; f < USED; f++) begin : genField
					assign	sums[c*FIELDS + f][s] = p[f*SPACING +: FIELD_BITS];
				end : genField
			end : genTail
		end : genColumn
	end : genSlice

	localparam int unsigned  MOST_ADDED = 4;
	for(genvar  p = 0; p < (CHAINS > MOST_ADDED? 0 : PE); p++) begin : genChannel
		imec_sum #(.N(CHAINS), .BITS(FIELD_BITS), .PRIMITIVES(PRIMITIVES)) sum(.clk, .en, .d(sums[p]), .y(y[p]));
	end : genChannel

	for(genvar  p = 0; p < (CHAINS > MOST_ADDED? PE : 0); p++) begin : genCompressed
		imec_heap_sum #(.N(CHAINS), .BITS(FIELD_BITS), .PRIMITIVES(PRIMITIVES)) sum(.clk, .en, .d(sums[p]), .y(y[p]));
	end : genCompressed

endmodule : imec_dot_dsp
